"""Choose and check the pictures that calibration measures activations on."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..artifact import sha256_of
from ..calibrator.collecting import in_parallel
from ..detection.picture_faults import REFUSED
from ..detection.pictures import read_thumbnail
from ..documents import parse_json
from ..errors import InputError
from ..picture_sets import (
    Choice,
    FoundPictures,
    Look,
    Thumbnail,
    choose,
    find_pictures,
    read_picture_list,
)
from ..progress import Progress, SilentProgress
from ..step_cache import StepCache, step_key

DEFAULT_IMAGES = 100
_READING, _THUMBNAILS_FILE = 1, "thumbnails.json"


@dataclass(frozen=True)
class CalibrationSet:
    """The pictures for calibration in a fixed order, each with the sha256 of its bytes.

    `source` is the folder or the list that they come from, `choice` how they were chosen from it;
    None where they were not chosen. `reading` is what reading them gave, where the cache does not
    hold it yet.
    """

    source: Path
    pictures: tuple[tuple[Path, str], ...]
    choice: Choice | None = None
    reading: Reading | None = field(default=None, repr=False, compare=False)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return the pictures' paths in order."""
        return tuple(path for path, _ in self.pictures)

    @property
    def digests(self) -> tuple[str, ...]:
        """Return the pictures' sha256 in order; they enter the cache's keys."""
        return tuple(digest for _, digest in self.pictures)


def read_calibration_set(
    source: Path,
    images: int | None,
    cache: StepCache | None = None,
    progress: Progress | None = None,
) -> CalibrationSet:
    """Choose at most `images` pictures, by default 100, spread evenly over those of `source`.

    `source` is a folder, a data.yaml or a list; see `find_pictures`. All chosen pictures are read,
    unless `cache` has what reading them gave. Raises InputError when there are no pictures, or none
    that can be read.
    """
    return _chosen(find_pictures(source), images, cache, progress)


def read_data_list(
    path: Path,
    images: int | None,
    cache: StepCache | None = None,
    progress: Progress | None = None,
) -> CalibrationSet:
    """Choose pictures of a list, as the compiler's `--data_list`: a path a line, in its order.

    Raises InputError when it cannot be read or names a file that is nowhere, and as
    `read_calibration_set`.
    """
    return _chosen(read_picture_list(path), images, cache, progress)


def choose_pictures(found: FoundPictures, most: int, progress: Progress) -> Choice:
    """Choose at most `most` of the pictures found, and read them; see `picture_sets.choose`."""
    return choose(found, most, _Reader(progress).look)


def _chosen(
    found: FoundPictures, images: int | None, cache: StepCache | None, progress: Progress | None
) -> CalibrationSet:
    reader = _Reader(progress or SilentProgress(), cache)
    choice = choose(found, images or DEFAULT_IMAGES, reader.look)
    pictures = tuple((path, reader.digests[path]) for path in choice.pictures)
    return CalibrationSet(found.source, pictures, choice, reader.reading())


@dataclass(frozen=True)
class Reading:
    """The thumbnails of pictures that were read, by the sha256 of their bytes.

    `key` is its key in the step cache: of the pictures that were asked for first, before any was
    replaced.
    """

    key: str
    thumbnails: Mapping[str, Thumbnail]

    def keep(self, cache: StepCache) -> None:
        """Put it into the cache, so that a conversion whose steps are finished reads no picture."""
        cache.run("pictures", self.key, self._write)

    @classmethod
    def find(cls, key: str, cache: StepCache | None) -> Reading | None:
        """Return what the cache holds; None when it is not there."""
        folder = cache.find(key) if cache else None
        if folder is None:
            return None
        # Another form than `_write`'s is a damaged one, and the pictures are read again.
        try:
            kept = parse_json((folder / _THUMBNAILS_FILE).read_bytes())
            return cls(key, {digest: _decoded(data) for digest, data in kept.items()})
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def _write(self, folder: Path) -> None:
        kept = {d: base64.b64encode(one.tobytes()).decode() for d, one in self.thumbnails.items()}
        (folder / _THUMBNAILS_FILE).write_text(json.dumps(kept))


def _decoded(data: str) -> Thumbnail:
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(16, 16)


class _Reader:
    """Reads pictures to thumbnails, those alone that the cache does not hold."""

    def __init__(self, progress: Progress, cache: StepCache | None = None) -> None:
        self.digests: dict[Path, str] = {}
        self._progress = progress
        self._cache = cache
        self._key = ""
        self._thumbnails: dict[str, Thumbnail] = {}
        self._read_any = False

    def look(self, paths: Sequence[Path]) -> list[Look]:
        """Return a thumbnail of each picture, or the error that says why it cannot be read."""
        digests = list(in_parallel(_digest, paths))
        self.digests |= {p: d for p, d in zip(paths, digests, strict=True) if isinstance(d, str)}
        if not self._key:
            self._key = step_key("pictures", _READING, {"pictures": [str(d) for d in digests]})
            kept = Reading.find(self._key, self._cache)
            self._thumbnails = dict(kept.thumbnails) if kept else {}
        if all(digest in self._thumbnails for digest in digests):
            return [self._thumbnails[str(digest)] for digest in digests]
        self._read_any = True
        with self._progress.step("Reading the pictures", "pictures") as step:
            found = []
            for look in in_parallel(self._look, list(zip(paths, digests, strict=True))):
                found.append(look)
                step.update(len(found), len(paths))
        return found

    def reading(self) -> Reading | None:
        """Return the thumbnails, where any was read."""
        return Reading(self._key, self._thumbnails) if self._read_any else None

    def _look(self, given: tuple[Path, str | InputError]) -> Look:
        path, digest = given
        if isinstance(digest, InputError):
            return digest
        if digest not in self._thumbnails:
            try:
                self._thumbnails[digest] = read_thumbnail(path)
            except InputError as error:
                return error
        return self._thumbnails[digest]


def _digest(path: Path) -> str | InputError:
    try:
        return sha256_of(path)
    except OSError as error:
        return InputError(f"{path}{REFUSED}: {error.strerror}", "Replace or remove this file.")
