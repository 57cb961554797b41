"""Find the pictures that a COCO file names, and COCO files in a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from .splits import PARTS, part_named
from .types import Task

ROBOFLOW = "_annotations.coco.json"

_KINDS = {
    "pose": ("person_keypoints", "keypoints", "instances"),
    "detect": ("instances", "person_keypoints"),
    "segment": ("instances", "person_keypoints"),
}
_SPLIT_IN_NAME = re.compile(r"(?:^|[_-])((?:val|valid|validation|test|train)(?:[_-]?\d{4})?)$")


def coco_files(folder: Path, task: Task) -> dict[str, Path]:
    """Return the COCO files of a folder by part: of Roboflow, else in `annotations`.

    A file of no part is under the empty name. Raises OSError.
    """
    found: dict[str, Path] = {}
    if (folder / ROBOFLOW).is_file():
        part = part_named(folder.name)
        return {part if part in PARTS else "": folder / ROBOFLOW}
    for inner in sorted(folder.iterdir()):
        part = part_named(inner.name)
        if part in PARTS and (inner / ROBOFLOW).is_file():
            found.setdefault(part, inner / ROBOFLOW)
    place = folder / "annotations"
    if found or not place.is_dir():
        return found
    files = sorted(file for file in place.iterdir() if file.suffix.lower() == ".json")
    for kind in _KINDS.get(task, ()):
        for file in files:
            if file.stem.startswith(kind) and (part := part_of(file)):
                found.setdefault(part, file)
    return found


def part_of(file: Path) -> str:
    """Return the part that a COCO file is of, by its name or its folder's; else empty."""
    match = _SPLIT_IN_NAME.search(file.stem.lower())
    named = part_named(match[1] if match else file.absolute().parent.name)
    return named if named in PARTS else ""


class PictureFinder:
    """Finds pictures by the names in a COCO file; each folder is listed once."""

    def __init__(self, file: Path) -> None:
        self._bases = tuple(dict.fromkeys(_bases(file)))
        self._last = self._bases[0]
        self._listed: dict[Path, frozenset[str]] = {}

    @property
    def looked(self) -> str:
        """Name the folders that pictures are looked for in, and that are there."""
        return ", ".join(str(base) for base in self._bases if self._names(base))

    def find(self, name: str) -> Path | None:
        """Return the picture; None where it is nowhere.

        Of a path that was made on another computer, the file's name alone counts in the end.
        """
        named = PurePosixPath(name.replace("\\", "/"))
        for tail in dict.fromkeys((named, PurePosixPath(named.name))):
            if not tail.name:
                continue
            for base in (self._last, *self._bases):
                path = base / tail
                if path.name in self._names(path.parent):
                    self._last = base
                    return path
        return None

    def _names(self, folder: Path) -> frozenset[str]:
        if folder not in self._listed:
            try:
                self._listed[folder] = frozenset(entry.name for entry in folder.iterdir())
            except (OSError, ValueError):
                self._listed[folder] = frozenset()
        return self._listed[folder]


def _bases(file: Path) -> Iterator[Path]:
    """Yield the folders that the pictures of a COCO file may be in, the likeliest first."""
    match = _SPLIT_IN_NAME.search(file.stem.lower())
    split = match[1] if match else ""
    here = file.parent
    above = here / ".." if here.name in ("", "..") else here.parent
    named = [name for name in (split, part_named(split), f"{part_named(split)}2017") if split]
    for place in (here, above):
        yield from (place / name for name in named)
        yield from (place / "images" / name for name in named)
        yield place / "images"
        yield place / "data"  # what fiftyone exports
        yield place
