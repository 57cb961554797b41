"""The pictures that calibration measures activations on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..artifact import sha256_of
from ..detection.pictures import list_pictures, read_picture
from ..errors import InputError

DEFAULT_IMAGES = 100


@dataclass(frozen=True)
class CalibrationSet:
    """Pictures for calibration, each with the sha256 of its bytes, in a fixed order."""

    folder: Path
    pictures: tuple[tuple[Path, str], ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(path for path, _ in self.pictures)

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(digest for _, digest in self.pictures)


def read_calibration_set(folder: Path, images: int | None) -> CalibrationSet:
    """The first `images` pictures of `folder` by name; without a number, at most 100.

    Every one is decoded once, so that a damaged file is found now and not by the compiler.

    Raises InputError when the folder is missing or empty, holds fewer pictures than asked, or one
    cannot be read.
    """
    found = list_pictures(folder)
    if images is not None and len(found) < images:
        raise InputError(
            f"{folder} holds {len(found)} pictures, and {images} were asked for",
            f"Add pictures, or ask for at most {len(found)} with --images.",
        )
    chosen = found[: images or DEFAULT_IMAGES]
    for path in chosen:
        read_picture(path)
    return CalibrationSet(folder, tuple((path, sha256_of(path)) for path in chosen))
