"""Read labels in COCO's JSON: boxes, outlines, keypoints, and crowds."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..detection.types import Box
from ..documents import parse_json
from ..errors import InputError, UsageError
from .coco_pictures import PictureFinder, part_of
from .coco_shapes import Keypoints, Outline, outline_area, outline_box, read_keypoints, read_outline
from .label_source import (
    BAD_KEYPOINTS,
    NO_AREA,
    NO_FILE,
    NO_OUTLINE,
    NO_PICTURE,
    NO_SUCH_CLASS,
    NOT_NUMBERS,
    OTHER_SIZE,
    OUTSIDE,
    PICTURE_TWICE,
    TWICE,
    Fault,
    FaultError,
    LabelSource,
    PictureLabels,
    finite,
)
from .splits import notes_on
from .types import LabelledObject, Task

_HINT = "Give a JSON file with `images`, `annotations` and `categories`, as COCO has."
_MOST_KEYPOINTS = 1000

Annotation = Mapping[str, Any]


@dataclass(frozen=True)
class _Picture:
    """What the file says of a picture: its place in `images`, its size, its annotations."""

    place: int
    size: tuple[int, int] | None
    annotations: tuple[tuple[int, Annotation], ...]


def open_coco(file: Path, task: Task, split: str | None = None) -> LabelSource:
    """Find the pictures of a COCO file, and check how its parts refer to each other.

    Raises InputError where it is no such file, or none of its pictures is there; UsageError for a
    `split`, which such a file does not have.
    """
    if split is not None:
        raise UsageError(
            f"--split chooses a part of a data set, and {file} is one",
            "Leave --split out, or give the folder of the data set.",
        )
    images, annotations, categories = _sections(file)
    classes, names = _classes(file, categories)
    faults: list[Fault] = []
    pictures, missing = _pictures(file, images, annotations, faults)
    if not pictures:
        raise InputError(
            f"none of the {missing:,} pictures that {file} names is there",
            f"They were looked for in {PictureFinder(file).looked}.",
        )
    keypoints = _keypoint_count(annotations) if task == "pose" else 0
    if task == "pose" and not keypoints:
        raise InputError(
            f"{file} has no keypoints, and the model finds some",
            "Give a file with keypoints, such as COCO's person_keypoints_val2017.json.",
        )
    reader = _Reader(file, task, classes, keypoints)

    def read(path: Path, size: tuple[int, int]) -> PictureLabels:
        return reader.read(pictures[path], size)

    part = part_of(file)
    return LabelSource(
        names=names,
        pictures=tuple(sorted(pictures)),
        read=read,
        part=part,
        faults=tuple(faults),
        problems=notes_on(part),
    )


def _sections(file: Path) -> tuple[list[Any], list[Any], list[Any]]:
    try:
        document = parse_json(file.read_bytes(), any_number=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(f"{file} cannot be read as JSON: {reason[:200]}", _HINT) from error
    keys = ("images", "annotations", "categories")
    if not isinstance(document, Mapping) or not all(
        isinstance(document.get(key), list) for key in keys
    ):
        raise InputError(f"{file} is not a data set in COCO's format", _HINT)
    images, annotations, categories = (document[key] for key in keys)
    if not images:
        raise InputError(f"{file} names no pictures", _HINT)
    return images, annotations, categories


def _classes(file: Path, categories: list[Any]) -> tuple[dict[Any, int], tuple[str, ...]]:
    """Return the class number of each category's id, and the names. Raises InputError."""
    found: dict[Any, str] = {}
    for category in categories:
        entry = category if isinstance(category, Mapping) else {}
        number, name = entry.get("id"), entry.get("name")
        if not _is_id(number) or not isinstance(name, str) or number in found:
            raise InputError(
                f"{file} has a category without a name, or without an id of its own: "
                f"{_shown(category)}",
                _HINT,
            )
        found[number] = name
    if not found:
        raise InputError(f"{file} has no categories", _HINT)
    return {number: place for place, number in enumerate(found)}, tuple(found.values())


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _pictures(
    file: Path, images: list[Any], annotations: list[Any], faults: list[Fault]
) -> tuple[dict[Path, _Picture], int]:
    """Return the pictures that are there with their annotations, and how many are missing."""
    marked: dict[Any, list[tuple[int, Annotation]]] = defaultdict(list)
    for place, one in enumerate(annotations):
        if isinstance(one, Mapping) and _is_id(one.get("image_id")):
            marked[one["image_id"]].append((place, one))
        else:
            faults.append(Fault(NO_PICTURE, f"{file}, annotations[{place}]: {_shown(one)}"))
    finder = PictureFinder(file)
    found: dict[Path, _Picture] = {}
    seen: set[Any] = set()
    missing = 0
    for place, one in enumerate(images):
        where = f"{file}, images[{place}]"
        entry = one if isinstance(one, Mapping) else {}
        number, name = entry.get("id"), entry.get("file_name")
        if not _is_id(number) or not isinstance(name, str):
            missing += 1
            faults.append(Fault(NO_FILE, f"{where}: {_shown(one)}"))
            continue
        path = finder.find(name)
        if number in seen or path in found:
            faults.append(Fault(PICTURE_TWICE, f"{where}: {_shown(name)}"))
        elif path is None:
            missing += 1
            faults.append(Fault(NO_FILE, f"{where}: {_shown(name)}"))
        else:
            found[path] = _Picture(place, _stated_size(entry), tuple(marked.get(number, ())))
        seen.add(number)
    faults += [
        Fault(NO_PICTURE, f"{file}, annotations[{place}]: {_shown(one)}")
        for number in marked
        if number not in seen
        for place, one in marked[number]
    ]
    return found, missing


def _stated_size(entry: Annotation) -> tuple[int, int] | None:
    width, height = entry.get("width"), entry.get("height")
    if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
        return width, height
    return None


def _keypoint_count(annotations: list[Any]) -> int:
    """Return how many keypoints the objects have at most."""
    lists = (one.get("keypoints") for one in annotations if isinstance(one, Mapping))
    counts = (len(found) // 3 for found in lists if isinstance(found, list))
    return max((count for count in counts if count <= _MOST_KEYPOINTS), default=0)


def _shown(value: Any) -> str:
    """Show the beginning of a value of the document."""
    kept = value
    if isinstance(value, Mapping):
        kept = {key: one for key, one in value.items() if not isinstance(one, list | Mapping)}
    return " ".join(repr(kept)[:80].split())


@dataclass(frozen=True)
class _Reader:
    """Reads the annotations of a picture."""

    file: Path
    task: Task
    classes: Mapping[Any, int]
    keypoints: int

    def read(self, picture: _Picture, size: tuple[int, int]) -> PictureLabels:
        stated = json.dumps([one for _, one in picture.annotations], sort_keys=True).encode()
        if picture.size is not None and picture.size != size:
            width, height = picture.size
            turned = ", and is turned by its EXIF data" if (height, width) == size else ""
            said = f"labelled as {width}×{height}; the picture has {size[0]}×{size[1]}{turned}"
            fault = Fault(OTHER_SIZE, f"{self.file}, images[{picture.place}]: {said}")
            return PictureLabels(faults=(fault,), stated=stated, usable=False)
        objects: dict[LabelledObject, None] = {}
        faults = []
        for place, one in picture.annotations:
            try:
                found = self._object(one, size)
                if found in objects:
                    raise FaultError(TWICE)
                objects[found] = None
            except FaultError as error:
                error.said = error.said or _shown(one)
                faults.append(error.at(f"{self.file}, annotations[{place}]"))
        return PictureLabels(tuple(objects), tuple(faults), stated)

    def _object(self, one: Annotation, size: tuple[int, int]) -> LabelledObject:
        number = one.get("category_id")
        if not _is_id(number) or number not in self.classes:
            raise FaultError(NO_SUCH_CLASS)
        has_box = one.get("bbox") not in (None, [])
        outline: Outline | None = None
        if self.task == "segment" or not has_box:
            outline = read_outline(one.get("segmentation"), size)
            if outline is None:
                raise FaultError(NO_OUTLINE if has_box else NO_AREA)
        box = self._box(one["bbox"]) if has_box or not outline else outline_box(outline)
        self._check(box, size)
        keypoints: Keypoints = ()
        if self.task == "pose":
            keypoints = read_keypoints(one.get("keypoints") or [])
            if len(keypoints) > self.keypoints:
                raise FaultError(BAD_KEYPOINTS, "there are too many")
            keypoints += ((0.0, 0.0, 0),) * (self.keypoints - len(keypoints))
        return LabelledObject(
            class_id=self.classes[number],
            box=box,
            area=self._area(one, box, outline),
            outline=outline if self.task == "segment" else None,
            keypoints=keypoints,
            crowd=one.get("iscrowd") in (1, "1"),
        )

    def _box(self, value: Any) -> Box:
        if not isinstance(value, list) or len(value) != 4:
            raise FaultError(NOT_NUMBERS, "its bbox is no list of x, y, width, height")
        x, y, w, h = finite(value)
        return x, y, x + w, y + h

    def _check(self, box: Box, size: tuple[int, int]) -> None:
        if box[2] <= box[0] or box[3] <= box[1]:
            raise FaultError(NO_AREA)
        # One that is partly inside counts as it is, as it does for COCO's own evaluation.
        if box[2] <= 0 or box[3] <= 0 or box[0] >= size[0] or box[1] >= size[1]:
            raise FaultError(OUTSIDE)

    def _area(self, one: Annotation, box: Box, outline: Outline | None) -> float:
        try:
            (area,) = finite((one.get("area"),))
        except FaultError:
            area = 0.0
        if area > 0:
            return area
        if outline is not None:
            return outline_area(outline)
        return (box[2] - box[0]) * (box[3] - box[1])
