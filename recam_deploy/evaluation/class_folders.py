"""Read pictures sorted into one folder a class, as ImageNet and Ultralytics' classifiers have."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ..errors import InputError
from ..picture_sets import FoundPictures, find_pictures
from ..picture_sets.found import noteworthy
from .label_source import LabelSource, PictureLabels
from .splits import PARTS, choose_part, notes_on, part_folders, part_named
from .types import LabelledObject

_LAYOUT = "Sort the pictures into one folder a class: DATA/val/CLASS/picture.jpg"


def open_class_folders(folder: Path, split: str | None) -> LabelSource:
    """Find the pictures in `folder`/PART/CLASS or `folder`/CLASS.

    Pictures in folders below a class are of that class. Raises InputError where there are no
    classes, or no part `split`; OSError where a folder cannot be read.
    """
    # `train` may also be a class.
    parts = {
        name: place
        for name, place in part_folders(folder).items()
        if any(inner.is_dir() for inner in place.iterdir())
    }
    part = part_named(folder.name) if part_named(folder.name) in PARTS else ""
    if parts or split:
        part, folder = choose_part(folder, parts or {part: folder}, split)
    classes = sorted(
        inner for inner in folder.iterdir() if inner.is_dir() and not inner.name.startswith(".")
    )
    found: dict[Path, FoundPictures] = {}
    empty = []
    for one in classes:
        try:
            found[one] = find_pictures(one)
        except InputError:
            empty.append(one.name)
    if not found:
        raise InputError(f"{folder} has no folders of classes with pictures in them", _LAYOUT)
    numbers = {
        picture: number
        for number, one in enumerate(classes)
        for picture in (found[one].pictures if one in found else ())
    }
    names = tuple(one.name for one in classes)

    def read(picture: Path, size: tuple[int, int]) -> PictureLabels:
        number = numbers[picture]
        whole = (0.0, 0.0, float(size[0]), float(size[1]))
        thing = LabelledObject(class_id=number, box=whole, area=whole[2] * whole[3])
        return PictureLabels((thing,), stated=names[number].encode(errors="surrogateescape"))

    passed_over: Counter[str] = Counter()
    for pictures in found.values():
        passed_over += noteworthy(pictures.passed_over)
    without = f"no pictures in {len(empty)} of the class folders: {', '.join(empty[:5])}"
    return LabelSource(
        names=names,
        pictures=tuple(numbers),
        read=read,
        part=part,
        passed_over=passed_over,
        problems=(*notes_on(part), *([without] if empty else [])),
    )
