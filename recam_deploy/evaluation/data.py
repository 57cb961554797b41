"""Open labelled pictures: a data.yaml, a COCO file, or a folder."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..calibrator.collecting import in_parallel
from ..data_yaml import SUFFIXES as YAML_SUFFIXES
from ..detection.picture_faults import REFUSED, check_regular, explain
from ..detection.pictures import read_size
from ..errors import InputError, RecamError
from ..picture_sets import spread
from ..picture_sets.found import hint_for, listed
from ..progress import Progress
from .class_folders import open_class_folders
from .class_mapping import ClassMapping, map_classes
from .coco_labels import open_coco
from .coco_pictures import coco_files
from .label_source import NOT_IN_MODEL, UNREADABLE, Fault, FaultList, LabelSource, PictureLabels
from .splits import choose_part
from .types import LabelledObject, LabelledPicture, LabelledSet, Task
from .yolo_sets import open_data_yaml, open_pictures

_HINT = "Give a data.yaml, a COCO file (.json), or a folder of labelled pictures."
_FOREIGN = (OSError, ValueError, MemoryError, RecursionError, OverflowError)
"""What reading others' files raises, beyond our own errors."""

_MOST_BYTES = 1 << 29
_SHOWN = 8


def open_labelled_set(
    source: Path,
    task: Task,
    labels: tuple[str, ...],
    *,
    split: str | None,
    limit: int | None,
    progress: Progress,
) -> LabelledSet:
    """Read labelled pictures for a model that does `task` and names its classes `labels`.

    Without `split` it is the part for validation, else for testing, else for training. At most
    `limit` pictures are taken, spread over all. What cannot be used is left out, counted and told.
    Raises InputError when nothing is left, no class is the model's, or the labels are not of the
    task.
    """
    try:
        with progress.step("Finding labelled pictures"):
            found = _open(source, task, len(labels) or None, split)
            mapping = map_classes(found.names, labels, source)
        chosen = found.pictures if limit is None else spread(found.pictures, limit)
        looks = []
        with progress.step("Reading labelled pictures", "pictures") as step:
            for look in in_parallel(partial(_look, found), chosen):
                looks.append(look)
                step.update(len(looks), len(chosen))
        return _assembled(source, task, found, mapping, looks)
    except RecamError:
        raise
    except _FOREIGN as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(
            f"{source} cannot be read as labelled pictures: {reason or type(error).__name__}",
            _HINT,
        ) from error


def _open(source: Path, task: Task, classes: int | None, split: str | None) -> LabelSource:
    if not source.exists():
        raise InputError(f"{source} does not exist", _HINT)
    if source.is_dir():
        return _open_folder(source, task, classes, split)
    suffix = source.suffix.lower()
    if suffix not in YAML_SUFFIXES and suffix != ".json":
        raise InputError(f"{source} is neither a data.yaml nor a COCO file nor a folder", _HINT)
    if not source.is_file():
        raise InputError(f"{source} is no regular file", _HINT)
    if task == "classify":
        raise InputError(
            f"{source} is for objects with boxes, and the model classifies whole pictures",
            "Give a folder with one folder of pictures a class: DATA/val/CLASS/picture.jpg",
        )
    if suffix == ".json":
        return open_coco(source, task, split)
    return open_data_yaml(source, task, split)


def _open_folder(folder: Path, task: Task, classes: int | None, split: str | None) -> LabelSource:
    """Open a data set's root by the file in it that describes it, else the folder's pictures."""
    if task == "classify":
        return open_class_folders(folder, split)
    described = sorted(f for f in folder.iterdir() if f.suffix.lower() in YAML_SUFFIXES)
    named = [file for file in described if file.stem in ("data", "dataset")]
    if named or len(described) == 1:
        return open_data_yaml((named or described)[0], task, split)
    files = coco_files(folder, task)
    if files:
        _, file = choose_part(folder, files, split)
        return open_coco(file, task)
    return open_pictures(folder, task, split, classes)


@dataclass(frozen=True)
class _Look:
    """What reading a picture and its labels gave; no `size` where it is unreadable."""

    path: Path
    size: tuple[int, int] | None
    sha256: bytes
    labels: PictureLabels


def _look(source: LabelSource, path: Path) -> _Look:
    try:
        check_regular(path)
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise InputError(f"{path}{REFUSED}: it is larger than {_MOST_BYTES >> 20} MB")
            data = path.read_bytes()
        except (OSError, MemoryError) as error:
            raise explain(path, error) from error
        size = read_size(path, data)
    except InputError as error:
        fault = Fault(UNREADABLE, error.message.replace(REFUSED, ""))
        return _Look(path, None, b"", PictureLabels(faults=(fault,), usable=False))
    return _Look(path, size, hashlib.sha256(data).digest(), source.read(path, size))


def _assembled(
    source: Path, task: Task, found: LabelSource, mapping: ClassMapping, looks: Sequence[_Look]
) -> LabelledSet:
    faults = FaultList(found.faults)
    unknown: Counter[str] = Counter()
    pictures = []
    for look in looks:
        faults.add(look.labels.faults)
        if look.size is None or not look.labels.usable:
            continue
        objects = tuple(_mapped(look.labels.objects, mapping, unknown))
        if task == "classify" and not objects:
            continue
        pictures.append(LabelledPicture(look.path, look.size, objects))
    passed_over = found.passed_over + faults.counts
    problems = [*faults.messages(), *_messages(found, unknown)]
    if unknown:
        passed_over[NOT_IN_MODEL.text] = unknown.total()
    if not any(picture.objects for picture in pictures):
        raise _nothing(source, task, len(looks), problems)
    return LabelledSet(
        source=source,
        task=task,
        labels=mapping.labels or _numbered(pictures),
        pictures=tuple(pictures),
        of=len(found.pictures),
        digest=_digest(source, found.names, looks),
        part=found.part,
        passed_over=passed_over,
        problems=(*problems, *mapping.problems, *found.problems),
        evaluated=mapping.evaluated,
    )


def _mapped(
    objects: Iterable[LabelledObject], mapping: ClassMapping, unknown: Counter[str]
) -> Iterator[LabelledObject]:
    """Yield the objects with the model's class numbers; count the others by name."""
    for one in objects:
        number = mapping.model_id(one.class_id)
        if number is None:
            unknown[(mapping.unknown or {}).get(one.class_id, str(one.class_id))] += 1
        elif number == one.class_id:
            yield one
        else:
            yield dataclasses.replace(one, class_id=number)


def _messages(found: LabelSource, unknown: Counter[str]) -> Iterator[str]:
    if unknown:
        yield (
            f"{NOT_IN_MODEL.text}: {unknown.total():,} objects were left out: "
            f"{listed(unknown, _SHOWN)}"
        )
    if found.passed_over:
        hint = hint_for(found.passed_over)
        yield f"files of kinds that are not read were left out: {listed(found.passed_over)}. {hint}"


def _nothing(source: Path, task: Task, count: int, problems: Sequence[str]) -> InputError:
    """Return the error for data of which nothing can be used, with the chief reason."""
    what = "picture of a class" if task == "classify" else "marked object"
    pictures = f"{count:,} picture{'' if count == 1 else 's'}"
    reason = f": {problems[0]}" if problems else ""
    hints = {
        "segment": "The model draws outlines: give labels with polygons or masks.",
        "pose": "The model finds keypoints: give labels with keypoints.",
    }
    return InputError(
        f"no {what} in {pictures} of {source} can be used{reason}",
        hints.get(task, "Correct the labels, or give other data."),
    )


def _numbered(pictures: Iterable[LabelledPicture]) -> tuple[str, ...]:
    """Return numbers as names, for data and a model that have none."""
    most = max(one.class_id for picture in pictures for one in picture.objects)
    return tuple(str(number) for number in range(most + 1))


def _digest(source: Path, names: Sequence[str] | None, looks: Iterable[_Look]) -> str:
    """Compute the sha256 of the pictures' names and bytes and of their labels, in hex.

    Names are relative to the data, so that a copy of it elsewhere is the same.
    """
    root = source if source.is_dir() else source.parent
    digest = hashlib.sha256("\0".join(names or ()).encode(errors="surrogateescape"))
    for look in looks:
        path = look.path.relative_to(root) if look.path.is_relative_to(root) else look.path.name
        for part in (
            Path(path).as_posix().encode(errors="surrogateescape"),
            look.sha256,
            look.labels.stated,
        ):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    return digest.hexdigest()
