"""Finding and reading pictures, with errors a user can act on."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import InputError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


def list_pictures(folder: Path) -> tuple[Path, ...]:
    """The pictures directly in `folder`, by name. Raises InputError when there are none."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", "Give a folder of JPEG or PNG pictures.")
    found = tuple(
        sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    )
    if not found:
        raise InputError(
            f"{folder} holds no pictures",
            f"Put pictures ({', '.join(sorted(SUFFIXES))}) directly into it.",
        )
    return found


def read_picture(path: Path) -> Image.Image:
    """One picture as RGB, turned upright. Raises InputError when it cannot be read whole."""
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            return upright.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, UnidentifiedImageError):
            reason = "not a picture"
        raise InputError(
            f"{path} cannot be read as a picture: {reason}", "Replace or remove this file."
        ) from error
