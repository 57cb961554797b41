"""Read the label files of YOLO: one object a line, in shares of the picture's size.

A line is `class x y w h` (the centre and size of a box), `class x y x y x y…` (a polygon), or
`class x y w h` and the keypoints, each with x, y and perhaps its visibility.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .label_source import (
    BAD_KEYPOINTS,
    EMPTY_LABELS,
    NO_AREA,
    NO_KEYPOINTS,
    NO_OUTLINE,
    NO_SUCH_CLASS,
    NOT_NUMBERS,
    OUTSIDE,
    TWICE,
    UNREADABLE_LABELS,
    WRONG_COUNT,
    Fault,
    FaultError,
    PictureLabels,
    polygon_area,
)
from .types import LabelledObject, Task

ROUNDING = 0.01
"""How far outside of 0 to 1 a share may lie, as in recent versions of Ultralytics."""

_MOST_BYTES = 16 << 20
_BOX = 4
_POLYGON = 6
_MOST_KEYPOINTS = 1000
_VISIBLE = 2

Keypoints = tuple[tuple[float, float, int], ...]


@dataclass(frozen=True)
class LineFormat:
    """How lines are read: for a task, with class numbers below `classes` where that is known.

    `keypoints` is (number, values each), for labels of poses.
    """

    task: Task
    classes: int | None
    keypoints: tuple[int, int] | None


def keypoint_shape(value: object, file: Path) -> tuple[int, int] | None:
    """Return the `kpt_shape` of a data.yaml; None where it has none. Raises InputError."""
    if value is None or value == "":
        return None
    texts = value if isinstance(value, list) else []
    numbers = [int(t) for t in texts if isinstance(t, str) and t.isascii() and t.isdigit()]
    if (
        len(texts) != 2
        or len(numbers) != 2
        or not 0 < numbers[0] <= _MOST_KEYPOINTS
        or numbers[1] not in (2, 3)
    ):
        raise InputError(
            f"{file} has a `kpt_shape` that is no number of keypoints and of values each",
            "Write it such as `kpt_shape: [17, 3]`: x, y and visibility, or 2 for x and y.",
        )
    return numbers[0], numbers[1]


def guessed_keypoints(data: bytes) -> tuple[int, int] | None:
    """Return the (number, values each) of the keypoints in the first line of a label file.

    None where it has none. The third values are visibilities, where all of them may be.
    """
    for line in data.decode(errors="replace").splitlines():
        texts = line.split()
        if not texts:
            continue
        beyond = texts[1 + _BOX :]
        if not beyond or len(beyond) > 3 * _MOST_KEYPOINTS:
            return None
        try:
            seen = {float(text) for text in beyond[2::3]}
        except ValueError:
            return None
        if len(beyond) % 3 == 0 and seen <= {0.0, 1.0, 2.0}:
            return len(beyond) // 3, 3
        return (len(beyond) // 2, 2) if len(beyond) % 2 == 0 else None
    return None


def read_label_bytes(file: Path) -> bytes:
    """Read a label file. Raises FaultError where it cannot be read, or is no text."""
    try:
        with file.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise FaultError(UNREADABLE_LABELS, getattr(error, "strerror", None) or "") from error
    if len(data) > _MOST_BYTES:
        raise FaultError(UNREADABLE_LABELS, f"larger than {_MOST_BYTES >> 20} MB")
    if b"\0" in data:
        raise FaultError(UNREADABLE_LABELS, "it is no text in UTF-8")
    return data


def read_label_file(file: Path, size: tuple[int, int], lines: LineFormat) -> PictureLabels:
    """Read the objects of a picture of `size`, (width, height) in pixels.

    Lines that cannot be used are faults. A picture whose file cannot be read is not usable.
    """
    try:
        data = read_label_bytes(file)
    except FaultError as error:
        return PictureLabels(faults=(error.at(str(file)),), usable=False)
    objects: dict[LabelledObject, None] = {}
    faults: list[Fault] = []
    text = data.decode("utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found = _parse(line.split(), size, lines)
            if found in objects:
                raise FaultError(TWICE)
            objects[found] = None
        except FaultError as error:
            error.said = error.said or line
            faults.append(error.at(f"{file}, line {number}"))
    if not text.strip():
        faults.append(Fault(EMPTY_LABELS, str(file)))
    return PictureLabels(tuple(objects), tuple(faults), data)


def _parse(texts: Sequence[str], size: tuple[int, int], lines: LineFormat) -> LabelledObject:
    """Read one line. Raises FaultError."""
    try:
        values = [float(text) for text in texts]
    except ValueError:
        raise FaultError(NOT_NUMBERS) from None
    if not all(map(math.isfinite, values)):
        raise FaultError(NOT_NUMBERS)
    number, shares = _class_number(values[0], lines), values[1:]
    with_keypoints = _BOX + math.prod(lines.keypoints) if lines.keypoints else -1
    if lines.task == "pose":
        if len(shares) != with_keypoints:
            raise FaultError(NO_KEYPOINTS if len(shares) == _BOX else WRONG_COUNT)
        box = _box(shares[:_BOX], size)
        return _of_box(number, box, _keypoints(shares[_BOX:], size, lines))
    if len(shares) in (_BOX, with_keypoints):
        box = _box(shares[:_BOX], size)
        if lines.task == "segment":
            raise FaultError(NO_OUTLINE)
        return _of_box(number, box)
    if len(shares) < _POLYGON or len(shares) % 2:
        raise FaultError(WRONG_COUNT)
    return _of_polygon(number, shares, size, lines.task)


def _class_number(value: float, lines: LineFormat) -> int:
    if not value.is_integer() or value < 0:
        raise FaultError(NO_SUCH_CLASS)
    most = _MOST_KEYPOINTS * 10 if lines.classes is None else lines.classes
    if value >= most:
        raise FaultError(NO_SUCH_CLASS)
    return int(value)


def _inside(shares: Sequence[float]) -> None:
    if not all(-ROUNDING <= share <= 1 + ROUNDING for share in shares):
        raise FaultError(OUTSIDE)


def _box(shares: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    _inside(shares)
    x, y, w, h = shares
    if w <= 0 or h <= 0:
        raise FaultError(NO_AREA)
    width, height = size
    left, top = (x - w / 2) * width, (y - h / 2) * height
    return left, top, left + w * width, top + h * height


def _of_box(
    number: int, box: tuple[float, float, float, float], keypoints: Keypoints = ()
) -> LabelledObject:
    area = (box[2] - box[0]) * (box[3] - box[1])
    return LabelledObject(number, box, area, keypoints=keypoints)


def _of_polygon(
    number: int, shares: Sequence[float], size: tuple[int, int], task: Task
) -> LabelledObject:
    _inside(shares)
    points = tuple(share * size[place % 2] for place, share in enumerate(shares))
    xs, ys = points[0::2], points[1::2]
    box = (min(xs), min(ys), max(xs), max(ys))
    if box[2] <= box[0] or box[3] <= box[1]:
        raise FaultError(NO_AREA)
    if task != "segment":
        return _of_box(number, box)
    area = polygon_area(points)
    if area <= 0:
        raise FaultError(NO_AREA)
    return LabelledObject(number, box, area, outline=(points,))


def _keypoints(shares: Sequence[float], size: tuple[int, int], lines: LineFormat) -> Keypoints:
    """Read x, y and visibility; without it, one at a negative place or at 0, 0 is not marked."""
    _, each = lines.keypoints or (0, 3)
    found = []
    for start in range(0, len(shares), each):
        x, y = shares[start : start + 2]
        if each == 3:
            visible = shares[start + 2]
            if visible not in (0, 1, _VISIBLE):
                raise FaultError(BAD_KEYPOINTS)
        else:
            visible = 0 if x < 0 or y < 0 or (x == 0 and y == 0) else _VISIBLE
        if not visible:
            found.append((0.0, 0.0, 0))
            continue
        _inside((x, y))
        found.append((x * size[0], y * size[1], int(visible)))
    return tuple(found)
