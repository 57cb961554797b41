"""Choose and check the pictures that calibration measures activations on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..artifact import sha256_of
from ..calibrator.collecting import in_parallel
from ..detection.pictures import list_pictures, read_picture
from ..errors import InputError
from ..files import read_text
from ..progress import Progress

DEFAULT_IMAGES = 100


@dataclass(frozen=True)
class CalibrationSet:
    """The pictures for calibration in a fixed order, each with the sha256 of its bytes.

    `source` is the folder or the list that they come from.
    """

    source: Path
    pictures: tuple[tuple[Path, str], ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return the pictures' paths in order."""
        return tuple(path for path, _ in self.pictures)

    @property
    def digests(self) -> tuple[str, ...]:
        """Return the pictures' sha256 in order; they enter the cache's keys."""
        return tuple(digest for _, digest in self.pictures)


def read_calibration_set(folder: Path, images: int | None) -> CalibrationSet:
    """Take the first `images` pictures of `folder` by name; for None, at most 100.

    Raises InputError when the folder is missing or empty, or holds fewer than `images`.
    """
    return _chosen(folder, list_pictures(folder), images)


def read_data_list(path: Path, images: int | None) -> CalibrationSet:
    """Take the first `images` pictures of a list, as the compiler's `--data_list`: a path a line.

    Relative paths start at the current folder. Raises InputError when the list cannot be read or
    is empty, and as `read_calibration_set`.
    """
    lines = read_text(path, "a list of pictures").splitlines()
    named = [Path(line.strip()).expanduser() for line in lines if line.strip()]
    if not named:
        raise InputError(
            f"the list {path} names no pictures", "Write the path of one picture on each line."
        )
    return _chosen(path, named, images)


def _chosen(source: Path, found: Sequence[Path], images: int | None) -> CalibrationSet:
    if images is not None and len(found) < images:
        raise InputError(
            f"{source} holds {len(found)} pictures, and {images} were asked for",
            f"Add pictures, or lower --images to {len(found)}.",
        )
    chosen = found[: images or DEFAULT_IMAGES]
    return CalibrationSet(source, tuple((path, _digest(path)) for path in chosen))


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", "Replace or remove this file."
        ) from error


def check_pictures(pictures: Sequence[Path], progress: Progress) -> None:
    """Decode every picture once, to find a damaged one before the compiler does.

    Raises InputError for the first picture that cannot be read.
    """
    with progress.step("Reading the pictures", "pictures") as step:
        for done, _ in enumerate(in_parallel(_decode, pictures), start=1):
            step.update(done, len(pictures))


def _decode(path: Path) -> None:
    read_picture(path)
