"""Find and read pictures; errors name the file and what to do about it."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import InputError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
MOST_PIXELS = 89_478_485
"""From this size on, Pillow warns of pictures made to exhaust the memory; recam refuses them."""

_GREY_16_BITS = ("I", "I;16", "I;16B", "I;16L")

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def list_pictures(folder: Path) -> tuple[Path, ...]:
    """List the pictures directly in `folder`, by name.

    Hidden files are left out: macOS writes one beside each picture that it copies. Raises
    InputError when there are no pictures.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", "Give a folder of JPEG or PNG pictures.")
    files = (path for path in folder.iterdir() if not path.name.startswith("."))
    found = tuple(sorted(p for p in files if p.suffix.lower() in SUFFIXES and p.is_file()))
    if not found:
        raise InputError(
            f"{folder} holds no pictures",
            f"Put pictures ({', '.join(sorted(SUFFIXES))}) directly into it.",
        )
    return found


def read_picture(path: Path) -> Image.Image:
    """Read a picture as RGB, turned upright by its EXIF data.

    Raises InputError when it is too large, incomplete, or no picture.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InputError(
                    f"{path} is too large, with {image.width}×{image.height} pixels",
                    "Scale it down: a network's input has some hundred pixels a side.",
                )
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return _rgb(image)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, UnidentifiedImageError):
            reason = "not a picture"
        raise InputError(
            f"{path} cannot be read as a picture: {reason}", "Replace or remove this file."
        ) from error


def _rgb(image: Image.Image) -> Image.Image:
    """Convert to RGB; of 16-bit grey keep the upper byte, as OpenCV does in the compiler.

    Pillow would clip values at 255.
    """
    if image.mode in _GREY_16_BITS:
        grey = np.asarray(image).astype(np.uint16) >> 8
        image = Image.fromarray(grey.astype(np.uint8))
    return image if image.mode == "RGB" else image.convert("RGB")
