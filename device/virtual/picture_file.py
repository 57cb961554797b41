"""The picture files of a user, as frames of the sensor; and the orientation in their EXIF.

Of metadata nothing but the orientation is read: cameras and editors write malformed tags.
"""

from __future__ import annotations

import contextlib
import logging
import shlex
import struct
import sys
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ORIENTATION = 0x0112
HEIC_ENDINGS = {".heic", ".heif", ".hif"}
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# EPS would be run by Ghostscript; the others are recognized, and not read.
NOT_READ = {"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5"}

# Renderers write megabytes of text beside the pixels; Pillow refuses such pictures by default.
PngImagePlugin.MAX_TEXT_CHUNK = 128 << 20
PngImagePlugin.MAX_TEXT_MEMORY = 256 << 20
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())


class PictureError(Exception):
    """A file that is no picture, or cannot be read; says why."""


def orientation(exif: bytes | None) -> int:
    """Return the orientation that EXIF names, 1 to 8; 1 where it names none."""
    data = (exif or b"").removeprefix(b"Exif\0\0")
    for tag, kind, count, value in _entries(data):
        if tag == ORIENTATION and count:
            order = "little" if data[:2] == b"II" else "big"
            size = {1: 1, 3: 2, 4: 4}.get(kind, 0)
            found = int.from_bytes(value[:size], "little" if order == "little" else "big")
            return found if found in TURNS else 1
    return 1


def _entries(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """List the entries of the first directory of a TIFF structure, as far as there are any."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    with contextlib.suppress(struct.error):
        if order:
            (place,) = struct.unpack_from(order + "I", data, 4)
            (count,) = struct.unpack_from(order + "H", data, place)
            for number in range(count):
                yield struct.unpack_from(order + "HHI4s", data, place + 2 + 12 * number)


def upright(image: Image.Image) -> Image.Image:
    """Return the picture, turned by its EXIF orientation alone."""
    exif = image.info.get("exif")
    turn = TURNS.get(orientation(exif if isinstance(exif, bytes) else None))
    return image if turn is None else image.transpose(turn)


def formats() -> tuple[str, ...]:
    """Return the endings of what Pillow reads, and of HEIC where pillow-heif is installed."""
    with contextlib.suppress(ImportError, OSError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    Image.init()
    return tuple(sorted(set(Image.OPEN) - NOT_READ))


def heic_remedy() -> str:
    """Say what to do about HEIC pictures, with the command for the Python that runs this."""
    if find_spec("pip"):
        words = [sys.executable, "-m", "pip", "install"]
    else:
        words = ["uv", "pip", "install", "--python", sys.executable]
    return f"convert them to JPEG, or run: {shlex.join([*words, 'pillow-heif'])}"


def endings() -> set[str]:
    """How the names of such files end."""
    known = set(formats())
    return {end for end, name in Image.registered_extensions().items() if name in known}


def read_frame(path: Path) -> NDArray[np.uint8]:
    """[H, W, 3] RGB, upright; of an animation the first picture. Raises PictureError."""
    if not path.is_file():
        raise PictureError("it is no file")
    try:
        with Image.open(path, formats=formats()) as image:
            image.load()
            turned = upright(image)
            if turned.mode.startswith("I") or turned.mode == "F":
                with np.errstate(all="ignore"):
                    return _grey(np.asarray(turned, np.float64))
            return np.asarray(turned.convert("RGB"))
    except Exception as error:  # Pillow's readers raise anything
        raise PictureError(_reason(path, error)) from error


def _grey(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey of more than 8 bits, or of floats, from black to white."""
    known = values[np.isfinite(values)]
    if not known.size:
        raise PictureError("it holds no numbers")
    least = min(0.0, float(known.min()))
    white = float(known.max())
    for usual in (1.0, 255.0, 1023.0, 4095.0, 65535.0):
        if least == 0 and usual / 16 <= white <= usual:
            white = usual
            break
    scaled = (np.nan_to_num(values, nan=0.0, posinf=white, neginf=least) - least) * 255
    grey = (scaled / (white - least or 1)).clip(0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _reason(path: Path, error: Exception) -> str:
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as unreadable:
        return unreadable.strerror or "it cannot be read"
    if not start:
        return "it is empty"
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer: run git lfs pull"
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "it is a web page"
    if start[4:8] == b"ftyp" and "HEIF" not in formats():
        return f"HEIC is not read here (nor are videos): {heic_remedy()}"
    if isinstance(error, PictureError | Image.DecompressionBombError):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        return "it is no picture, or damaged"
    return f"it is damaged ({str(error)[:100]})"
