"""Read pictures; errors name the file, the cause and what to do about it."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from ..errors import InputError
from .heif import heic_is_read
from .metadata import orientation_of, without_metadata
from .picture_faults import check_regular, explain
from .pixels import to_rgb

MOST_PIXELS = 89_478_485
"""From this size on, Pillow warns of pictures made to exhaust the memory; recam refuses them."""

_THUMBNAIL = 16
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_COMMON = (
    *("JPEG", "PNG", "BMP", "GIF", "PPM"),  # Pillow loads these with itself
    WebPImagePlugin.WebPImageFile.format,
    TiffImagePlugin.TiffImageFile.format,
)
"""The formats to try before all others; to load the others takes 0.1 s."""

_SIZED = frozenset({"JPEG", "MPO", "PNG", WebPImagePlugin.WebPImageFile.format})
"""The formats whose header gives the size of the stored pixels; Pillow turns a TIFF by itself."""

_NOT_TRIED = frozenset({"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5"})
"""Formats that Pillow hands to other programs (EPS to Ghostscript, which runs a program in the
file) or recognizes without reading them."""

# Pillow warns of damaged metadata and large pictures, with the place in its own source, and logs
# errors, which Python prints where nobody listens.
logging.getLogger("PIL").addHandler(logging.NullHandler())
warnings.filterwarnings("ignore", module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Header:
    """What a picture's file says of itself: `size` is (width, height) in pixels, as stored.

    `format` and `mode` are Pillow's names of the file's format and pixels. `orientation` is the
    EXIF tag, 1 where the pixels are stored upright.
    """

    format: str
    mode: str
    size: tuple[int, int]
    orientation: int


def read_picture(path: Path) -> Image.Image:
    """Read a picture of any format as RGB, turned upright; of an animation the first frame.

    It is turned by its orientation alone: of other metadata nothing is asked, and it may be
    malformed. See `pixels.to_rgb` for the colours. Raises InputError when the file is too large,
    incomplete, or no picture: whatever Pillow raises.
    """
    return _walled(path, draft=False)


def read_header(path: Path) -> Header | None:
    """Read what a picture's file says of itself; None where it cannot be read with its metadata."""
    try:
        with _opened(path, None) as image:
            return Header(image.format or "", image.mode, image.size, _orientation(image))
    except Exception:
        return None


def read_size(path: Path, data: bytes) -> tuple[int, int]:
    """Return the (width, height) of the picture turned upright; `data` are the bytes of its file.

    The pixels are decoded only where the file may be cut short, or its header does not tell. Raises
    InputError as `read_picture`.
    """
    if _is_whole(data):
        with contextlib.suppress(Exception), _opened(path, io.BytesIO(data)) as image:
            width, height = image.size
            if image.format in _SIZED and 0 < width * height <= MOST_PIXELS:
                return (height, width) if _orientation(image) > 4 else (width, height)
    return read_picture(path).size


def read_thumbnail(path: Path) -> npt.NDArray[np.uint8]:
    """Read all of a picture, and return it in grey, uint8 [16, 16], as stored.

    Faster than `read_picture` where it is a JPEG. Raises InputError as `read_picture`.
    """
    grey = _walled(path, draft=True).convert("L")
    side = (_THUMBNAIL, _THUMBNAIL)
    return np.asarray(grey.resize(side, Image.Resampling.BOX), np.uint8)


def readable_formats() -> frozenset[str]:
    """Return Pillow's names of the formats that are read."""
    return frozenset((*_COMMON, *_others(), "MPO"))  # what phones call it; read as a JPEG


def suffixes_by_format() -> dict[str, str]:
    """Return the suffixes of the formats that are read, such as `.jpg`, each with its format."""
    formats = readable_formats()
    return {s: name for s, name in Image.registered_extensions().items() if name in formats}


@functools.cache
def _others() -> tuple[str, ...]:
    heic_is_read()
    Image.init()
    return tuple(sorted(set(Image.OPEN) - set(_COMMON) - _NOT_TRIED))


def _walled(path: Path, *, draft: bool) -> Image.Image:
    """Read a picture; where its metadata are in the way, without them.

    Pillow's readers may raise anything for a malformed file, so all of it becomes an InputError.
    """
    check_regular(path)
    try:
        return _decoded(path, draft=draft)
    except InputError:
        raise
    except Exception as error:
        first = error
    with contextlib.suppress(OSError, MemoryError):
        bare = without_metadata(path.read_bytes())
        if bare:
            try:
                return _decoded(path, draft=draft, stream=io.BytesIO(bare.data), exif=bare.exif)
            except InputError:
                raise
            except Exception as error:
                first = error
    raise explain(path, first) from first


def _decoded(
    path: Path, *, draft: bool, stream: IO[bytes] | None = None, exif: bytes | None = None
) -> Image.Image:
    """Decode a picture from its file, or from `stream`, which has no metadata but `exif`."""
    with _opened(path, stream) as image:
        if image.width * image.height > MOST_PIXELS:
            raise _too_large(path, f"{image.width}×{image.height} pixels")
        if image.width * image.height == 0:
            raise ValueError("it has no pixels")
        if draft:
            image.draft("RGB", (4 * _THUMBNAIL, 4 * _THUMBNAIL))
        image.load()
        orientation = _orientation(image) if exif is None else orientation_of(exif) or 1
        upright = to_rgb(image)
        if orientation in _TURNS and not draft:
            upright = upright.transpose(_TURNS[orientation])
        upright.info.clear()  # Pillow would write some of it into files made of this picture
        return upright


def _is_whole(data: bytes) -> bool:
    """Say whether a file ends as the common formats do, so that it was not cut short."""
    if data.startswith(b"RIFF"):
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    if data.startswith(b"\x89PNG"):
        return data.endswith(b"IEND\xaeB`\x82")
    return data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9")


def _opened(path: Path, stream: IO[bytes] | None) -> Image.Image:
    """Open the picture by the common formats, else by all. Raises what Pillow raises."""
    for formats in (lambda: _COMMON, _others):
        try:
            return Image.open(stream or path, formats=formats())
        except Image.DecompressionBombError as error:
            raise _too_large(path, "more than 178 million pixels") from error
        except UnidentifiedImageError as error:
            unknown = error
    raise unknown


def _too_large(path: Path, size: str) -> InputError:
    return InputError(
        f"{path} is too large, with {size}",
        "Scale it down: a network's input has some hundred pixels a side.",
    )


def _orientation(image: Image.Image) -> int:
    """Return the orientation in the metadata of an opened picture; 1 where they name none."""
    exif = image.info.get("exif")
    found = orientation_of(exif) if isinstance(exif, bytes) else None
    if found is not None:
        return found
    try:  # a TIFF's own tag, XMP, or EXIF in the text of a PNG; Pillow parses all of the metadata
        other = image.getexif().get(_ORIENTATION, 1)
    except Exception:
        return 1
    return other if isinstance(other, int) and other in _TURNS else 1
