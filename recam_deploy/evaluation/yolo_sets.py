"""Find the pictures and label files of a YOLO data set: by its data.yaml, or in a plain folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..class_names import ordered_names, read_labels
from ..data_yaml import DataYaml, read_data_yaml
from ..errors import InputError
from ..picture_sets import FoundPictures, find_pictures
from ..picture_sets.data_set import find_part
from ..picture_sets.found import REPEATED, noteworthy
from .label_source import (
    NO_LABELS,
    NO_PICTURE,
    PICTURE_TWICE,
    Fault,
    FaultError,
    LabelSource,
    PictureLabels,
)
from .splits import PARTS, choose_part, notes_on, part_folders, part_named
from .types import Task
from .yolo_labels import (
    LineFormat,
    guessed_keypoints,
    keypoint_shape,
    read_label_bytes,
    read_label_file,
)

_SUFFIX = ".txt"
_NAMES_FILES = ("classes.txt", "obj.names")
_NOT_LABELS = ("classes", "readme", "notes", "license", "requirements", "train", "val", "test")
"""How text files begin that lie beside pictures or labels and are neither."""


def open_data_yaml(file: Path, task: Task, split: str | None) -> LabelSource:
    """Find the labelled pictures of one part of a data.yaml.

    Raises InputError where the file cannot be read, or the part is not there or has no labels.
    """
    description = read_data_yaml(file)
    names = _names(description)
    keypoints = keypoint_shape(description.kpt_shape, file)
    if task == "pose" and keypoints is None:
        raise InputError(
            f"{file} has no `kpt_shape`, and the model finds keypoints",
            "Give a data set with keypoints; `kpt_shape: [17, 3]` says how many each object has.",
        )
    part, found, problems = _found(description, split)
    lines = LineFormat(task, None if names is None else len(names), keypoints)
    return _source(found, file.parent, lines, names, part, (*problems, *notes_on(part)))


def open_pictures(folder: Path, task: Task, split: str | None, classes: int | None) -> LabelSource:
    """Find the pictures in a folder with labels beside them, or in `labels`.

    The class numbers are the model's own, which has `classes`, unless a `classes.txt` names others.
    Raises InputError where there are no pictures, no labels, or no part `split`.
    """
    parts = part_folders(folder)
    part = part_named(folder.name) if part_named(folder.name) in PARTS else ""
    pictures = folder
    if parts or split:
        part, pictures = choose_part(folder, parts or {part: folder}, split)
    found = find_pictures(pictures)
    names = _names_beside(folder)
    lines = LineFormat(task, len(names) if names else classes, None)
    if task == "pose":
        files = _LabelFiles(found.pictures, (folder, pictures))
        lines = LineFormat(task, lines.classes, _guessed(files, found.pictures))
    return _source(found, folder, lines, names, part, notes_on(part))


def _names(description: DataYaml) -> tuple[str, ...] | None:
    if description.names in (None, "", [], {}):
        return None
    try:
        return ordered_names(description.names)
    except ValueError as error:
        raise InputError(
            f"{description.file} cannot be read as class names: {error}",
            "Write `names: [a, b]`, in class order.",
        ) from error


def _names_beside(folder: Path) -> tuple[str, ...] | None:
    """Return the classes that annotation tools write beside pictures or labels."""
    for place in (folder, folder / "labels", folder.parent):
        for name in _NAMES_FILES:
            if (place / name).is_file():
                return read_labels(place / name)
    return None


def _found(description: DataYaml, split: str | None) -> tuple[str, FoundPictures, tuple[str, ...]]:
    """Find the pictures of the part to measure on; of another, where those are not there."""
    entries = {part: named for part in PARTS if (named := getattr(description, part))}
    if not entries:
        raise InputError(
            f"{description.file} names no pictures",
            "Add `val:` with their folder, or name the folder itself.",
        )
    problems: list[InputError] = []
    while True:
        part, named = choose_part(description.file, entries, split)
        try:
            found = find_part(description, part, named)
        except InputError as error:
            problems.append(error)
            del entries[part]
            if split or not entries:
                raise problems[0] from None
        else:
            return part, found, tuple(error.message for error in problems)


def _guessed(files: _LabelFiles, pictures: Sequence[Path]) -> tuple[int, int]:
    """Return the shape of the keypoints, from the first label file that has any."""
    for picture in pictures:
        file = files.of(picture)
        if file:
            try:
                shape = guessed_keypoints(read_label_bytes(file))
            except FaultError:
                continue
            if shape:
                return shape
    raise InputError(
        f"the labels of {pictures[0].parent} have no keypoints, and the model finds some",
        "Give the data set's data.yaml; its `kpt_shape` says how many keypoints each object has.",
    )


def _source(
    found: FoundPictures,
    root: Path,
    lines: LineFormat,
    names: tuple[str, ...] | None,
    part: str,
    problems: tuple[str, ...],
) -> LabelSource:
    files = _LabelFiles(found.pictures, (root, found.source))
    if not any(map(files.of, found.pictures)):
        looked = next(files.places(found.pictures[0]))
        of_part = f" (`{part}`)" if part else ""
        raise InputError(
            f"none of the {len(found.pictures):,} pictures of {found.source}{of_part} has a label "
            "file",
            f"The first was looked for as {looked}; labels lie beside the pictures, or in "
            "`labels` where those are in `images`.",
        )

    def read(picture: Path, size: tuple[int, int]) -> PictureLabels:
        file = files.of(picture)
        if file is None:
            return PictureLabels(faults=(Fault(NO_LABELS, str(picture)),))
        return read_label_file(file, size, lines)

    repeated = Fault(PICTURE_TWICE, str(found.source))
    return LabelSource(
        names=names,
        pictures=found.pictures,
        read=read,
        part=part,
        faults=(*files.orphans(), *([repeated] * found.passed_over[REPEATED])),
        passed_over=noteworthy(found.passed_over),
        problems=problems,
    )


@dataclass
class _LabelFiles:
    """The label files of pictures; `roots` are folders that may have a folder `labels` in them.

    Each folder is listed once.
    """

    pictures: Sequence[Path]
    roots: Sequence[Path]
    _listed: dict[Path, frozenset[str]] = field(default_factory=dict)

    def of(self, picture: Path) -> Path | None:
        """Return the label file of a picture; None where there is none."""
        return next((f for f in self.places(picture) if f.name in self._names(f.parent)), None)

    def places(self, picture: Path) -> Iterator[Path]:
        """Yield where the label file of a picture may be, the likeliest first."""
        name = picture.stem + _SUFFIX
        for folder in self._folders(picture.parent):
            yield folder / name

    def orphans(self) -> Iterator[Fault]:
        """Yield the label files of no picture, in the folders that labels were found in."""
        stems: dict[Path, set[str]] = {}
        for folder in dict.fromkeys(picture.parent for picture in self.pictures):
            here = {Path(name).stem for name in self._names(folder) if not _is_label(name)}
            for place in self._folders(folder):
                stems.setdefault(place, set()).update(here)
        for place, known in stems.items():
            for name in sorted(self._names(place)):
                if _is_label(name) and Path(name).stem not in known:
                    yield Fault(NO_PICTURE, str(place / name))

    def _folders(self, folder: Path) -> Iterator[Path]:
        parts = folder.parts
        for place in reversed(range(len(parts))):
            if parts[place] == "images":
                yield Path(*parts[:place], "labels", *parts[place + 1 :])
                break
        yield folder
        for root in self.roots:
            if folder.is_relative_to(root):
                yield root / "labels" / folder.relative_to(root)
        yield folder / "labels"

    def _names(self, folder: Path) -> frozenset[str]:
        if folder not in self._listed:
            try:
                self._listed[folder] = frozenset(entry.name for entry in folder.iterdir())
            except (OSError, ValueError):
                self._listed[folder] = frozenset()
        return self._listed[folder]


def _is_label(name: str) -> bool:
    lowered = name.lower()
    return lowered.endswith(_SUFFIX) and not lowered.startswith(_NOT_LABELS)
