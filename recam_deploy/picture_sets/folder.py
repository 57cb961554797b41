"""Find the pictures in a folder and all folders below it."""

from __future__ import annotations

import os
from collections import Counter, deque
from pathlib import Path

from ..detection.picture_faults import begins_like_picture
from ..detection.pictures import suffixes_by_format
from ..errors import InputError
from .found import FoundPictures, hint_for, listed

_LABELS = frozenset(
    {"labels", "masks", "mask", "annotations", "segmentationclass", "segmentationobject"}
)
"""Folders of data sets; pictures in them show the classes as colours."""

_OTHER_MEANINGS = frozenset({".pcd", ".gbr", ".im", ".iim", ".msp", ".vst"})
"""Suffixes of rare formats that other files have more often: point clouds, circuit boards."""

_ASK_CONTENTS = frozenset({"", ".heic", ".heif", ".hif", ".avif"})
"""Suffixes that leave open what a file is: phones and converters name JPEGs `.heic`."""

_SNIFFED_BYTES = 64
_MOST_FILES = 1_000_000


def find_in_folder(folder: Path) -> FoundPictures:
    """Find the pictures in `folder` and below, by name.

    Hidden files and folders are left out: macOS writes a hidden file beside each picture that it
    copies. So are pictures in folders of labels or masks, where there are others. Links to folders
    are followed, each folder is read once. Raises InputError when `folder` cannot be read, or there
    are no pictures.
    """
    walk = _Walk(folder)
    walk.run()
    pictures, passed_over = walk.pictures, walk.passed_over
    if not pictures:
        pictures = walk.labels
    elif walk.labels:
        passed_over["labels or masks"] = len(walk.labels)
    if not pictures:
        raise _no_pictures(folder, passed_over)
    return FoundPictures(folder, tuple(sorted(pictures)), passed_over)


class _Walk:
    """Reads a folder and those below it, the folders themselves before links to folders."""

    def __init__(self, root: Path) -> None:
        self.pictures: list[Path] = []
        self.labels: list[Path] = []
        self.passed_over: Counter[str] = Counter()
        self._suffixes = frozenset(suffixes_by_format()) - _OTHER_MEANINGS
        self._root = root
        self._files = 0
        self._seen: set[tuple[int, int]] = set()
        self._folders: deque[tuple[Path, bool]] = deque([(root, False)])
        self._links: deque[tuple[Path, bool]] = deque()

    def run(self) -> None:
        """Raise InputError when the root cannot be read, or holds too many files."""
        while self._folders or self._links:
            folder, in_labels = (self._folders or self._links).popleft()
            try:
                status = folder.stat()
                if (status.st_dev, status.st_ino) in self._seen:
                    continue
                self._seen.add((status.st_dev, status.st_ino))
                with os.scandir(folder) as entries:
                    shown = [entry for entry in entries if not entry.name.startswith(".")]
            except OSError as error:
                if folder == self._root:
                    raise InputError(
                        f"{folder} cannot be read: {error.strerror}", "Let your user read it."
                    ) from error
                self.passed_over["unreadable folder"] += 1
                continue
            for entry in sorted(shown, key=lambda entry: entry.name):
                self._add(entry, in_labels)

    def _add(self, entry: os.DirEntry[str], in_labels: bool) -> None:
        path = Path(entry.path)
        try:
            if entry.is_dir():
                queue = self._links if entry.is_symlink() else self._folders
                queue.append((path, in_labels or entry.name.lower() in _LABELS))
                return
            is_file = entry.is_file()
        except OSError:  # such as a link to itself
            is_file = False
        self._count()
        if not is_file:
            self.passed_over["no regular file"] += 1
        elif self._is_picture(path):
            (self.labels if in_labels else self.pictures).append(path)
        else:
            self.passed_over[path.suffix.lower() or "no suffix"] += 1

    def _count(self) -> None:
        self._files += 1
        if self._files > _MOST_FILES:
            raise InputError(
                f"{self._root} holds more than {_MOST_FILES:,} files",
                "Name the folder of the pictures.",
            )

    def _is_picture(self, path: Path) -> bool:
        suffix = path.suffix.lower()
        if suffix not in _ASK_CONTENTS:
            return suffix in self._suffixes
        try:
            with path.open("rb") as file:
                return begins_like_picture(file.read(_SNIFFED_BYTES))
        except OSError:
            return False


def _no_pictures(folder: Path, passed_over: Counter[str]) -> InputError:
    if not passed_over:
        return InputError(f"{folder} holds no pictures", "Put JPEG or PNG pictures into it.")
    beside = folder.absolute().parent / "images"
    if folder.absolute().name.lower() in _LABELS and beside.is_dir():
        hint = f"Give the folder of its pictures: {folder.parent / 'images'}"
    else:
        hint = hint_for(passed_over) or "Put JPEG or PNG pictures into it."
    return InputError(f"{folder} holds no pictures that are read, but {listed(passed_over)}", hint)
