"""The readers of a user's pictures, and of what names them: data.yaml files and lists."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin
from rig import Rig, nothing_but_refusals
from virtual.picture_file import PictureError, read_frame
from virtual.sscma.letterbox import read_image

from recam_deploy.camera.smoke_test.picture import prepare_picture
from recam_deploy.data_yaml import read_data_yaml
from recam_deploy.detection.metadata import orientation_of, without_metadata
from recam_deploy.detection.pictures import read_header, read_picture, read_size, read_thumbnail
from recam_deploy.picture_sets import find_pictures

_NOISE = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)


def _picture(kind: str, mode: str = "RGB", **options: object) -> bytes:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112], exif[0x011A], exif[0x010F] = 6, 72.0, "maker"
    image = Image.fromarray(_NOISE).convert(mode)
    image.save(stream, kind, exif=exif.tobytes(), **options)
    return stream.getvalue()


def _text() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("a", "b" * 200, zip=True)
    info.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="8">')
    return info


PICTURES = (
    _picture("JPEG", quality=80),
    _picture("JPEG", "CMYK", comment="a"),
    _picture("PNG", "P", pnginfo=_text(), icc_profile=b"0" * 300),
    _picture("WEBP"),
    _picture("TIFF", "F"),
    _picture("TIFF", compression="tiff_lzw"),
    _picture("GIF"),
    _picture("BMP"),
)


def read_pictures(rig: Rig, data: bytes) -> None:
    """A picture, by recam and by the virtual camera: of one size, where both read it."""
    path = rig.folder / "picture.jpg"
    path.write_bytes(data)
    read_header(path)
    size = None
    with nothing_but_refusals():
        image = read_picture(path)
        assert image.mode == "RGB"
        size = image.size
        assert read_size(path, data) == size
        prepare_picture(path)
    with nothing_but_refusals():
        assert read_thumbnail(path).shape == (16, 16)
    frame = read_image(path)
    assert frame is None or frame.ndim == 3
    try:
        height, width, channels = read_frame(path).shape
    except PictureError as error:
        assert str(error)
        return
    assert channels == 3
    assert size is None or sorted(size) == sorted((width, height))


def read_metadata(_rig: Rig, data: bytes) -> None:
    """EXIF, and any file that is to be freed of its metadata."""
    assert orientation_of(data) in (None, *range(1, 9))
    bare = without_metadata(data)
    assert bare is None or len(bare.data) <= len(data) + 16


DATA_YAML = b"""\
path: ../set
train: [images/train, train.txt]
val: ../val/images
test: 'C:\\a'
nc: 2
names: {0: no, 1: "\\u00e9"}
"""
LIST = b'# a\n./images/a.jpg\r\n"images\\a.jpg" 3\n~b/c.png 1,2,3\n'


def read_sets(rig: Rig, data: bytes) -> None:
    """A data.yaml, and a list."""
    for name in ("set.yaml", "list.txt"):
        path = rig.folder / name
        path.write_bytes(data)
        with nothing_but_refusals():
            assert all(isinstance(picture, Path) for picture in find_pictures(path).pictures)
    with nothing_but_refusals():
        described = read_data_yaml(rig.folder / "set.yaml")
        assert all(isinstance(text, str) for text in (*described.train, *described.val))
