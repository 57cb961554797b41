"""Read cut tensors as the camera does, without thresholds, and compare a model's own values.

The camera's arithmetic is described in `detection.decode`; here every cell counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..detection.decode import STRIDES, cell_distances
from ..errors import UnsupportedModelError
from .box_forms import CENTRES, BoxForm, centres, form_of, same
from .heads import BOX_CHANNELS, PLAIN_BOX_CHANNELS

Array: TypeAlias = npt.NDArray[np.float32]
Verdict: TypeAlias = str

DECODED: Verdict = "decoded"
RAW_VALUES: Verdict = "raw"
"""The head's own values, or distances that are not yet boxes."""
OTHER: Verdict = "other"
"""Neither: the model means something else by its heads than the camera."""
NOTHING: Verdict = ""

_SIDES = 4
_SCORE_SHARE, _SCORE_ROUNDING = 1e-3, 2e-6


@dataclass(frozen=True)
class Reading:
    """What the camera reads in a detector's heads; one row a cell.

    `box` and `logits` are the heads' values, `distances` [n, 4] those of the box's sides in cells,
    `places` [n, 2] the cells' column and row, `strides` [n, 1].
    """

    box: Array
    logits: Array
    distances: Array
    places: Array
    strides: Array
    side: int

    @classmethod
    def of(cls, box: Array, logits: Array, stride: int, side: int) -> Reading:
        """Read the heads [1, 64 or 4, g, g] and [1, nc, g, g] of one scale."""
        grid = box.shape[-1]
        down, across = np.mgrid[0:grid, 0:grid].astype(np.float32)
        return cls(
            _by_cell(box),
            _by_cell(logits),
            cell_distances(box[0].reshape(box.shape[1], -1)).T,
            np.stack([across.ravel(), down.ravel()], axis=1),
            np.full((grid * grid, 1), stride, np.float32),
            side,
        )

    @classmethod
    def joined(cls, readings: Sequence[Reading]) -> Reading:
        """Join the readings of several scales."""
        names = ("box", "logits", "distances", "places", "strides")
        box, logits, distances, places, strides = (
            np.concatenate([getattr(r, name) for r in readings]) for name in names
        )
        return cls(box, logits, distances, places, strides, readings[0].side)

    @classmethod
    def of_scales(cls, boxes: Sequence[Array], logits: Sequence[Array], side: int) -> Reading:
        """Read the heads of all scales, from stride 8 to 32."""
        scales = zip(boxes, logits, STRIDES, strict=True)
        return cls.joined([cls.of(box, scores, stride, side) for box, scores, stride in scales])

    @property
    def corners(self) -> Array:
        """Return the boxes' corners [n, 4] in pixels."""
        return self.corners_from(self.distances)

    def corners_from(self, distances: Array, offset: float = 0.5) -> Array:
        """Return the corners for other distances, or another place of a cell's own point."""
        points = self.places + np.float32(offset)
        near, far = points - distances[:, :2], points + distances[:, 2:]
        return np.concatenate([near, far], axis=1) * self.strides

    @property
    def tolerance(self) -> Array:
        """Return by how many pixels a box [n, 1] may differ: a tenth of its cell.

        What is not the camera's rule differs by more. A weight that was stored in eight bits, such
        as the DFL's, differs by less.
        """
        tenth: Array = self.strides * np.float32(0.1)
        return tenth

    def form(
        self, found: Array, distances: Array | None = None, offset: float = 0.5
    ) -> BoxForm | None:
        """Return the form in which `found` [n, 4] holds these boxes; None for others."""
        corners = self.corners_from(self.distances if distances is None else distances, offset)
        return form_of(found, corners, self.side, self.tolerance)

    def verdict(
        self, rows: Array, classes: int, of_boxes: bool, of_scores: bool
    ) -> tuple[Verdict, Verdict]:
        """Say what the model's own `rows` [n, width] are: of the boxes, and of the scores.

        `of_boxes` and `of_scores` say which heads they are computed from.
        """
        worst = (OTHER, NOTHING) if of_boxes else (NOTHING, OTHER)
        verdicts = [
            (
                self._boxes(rows[:, boxes]) if boxes else NOTHING,
                self._scores(rows, scores, factor) if scores else NOTHING,
            )
            for boxes, scores, factor in self._layouts(rows.shape[1], classes)
            if (of_boxes or not boxes) and (of_scores or not scores)
        ]
        good = [verdict for verdict in verdicts if OTHER not in verdict]
        return (good or verdicts or [worst])[0]

    def _layouts(
        self, width: int, classes: int
    ) -> Iterator[tuple[slice | None, slice | None, int | None]]:
        """Yield how a row of `width` values may be made of box, scores, and an objectness."""
        sides = self.box.shape[1]
        for boxes in dict.fromkeys((_SIDES, sides)):
            if width == boxes:
                yield slice(0, boxes), None, None
            if width == boxes + classes:
                yield slice(0, boxes), slice(boxes, width), None
                yield slice(classes, width), slice(0, classes), None
        if width == classes:
            yield None, slice(0, classes), None
        if width == 5 + classes:
            yield slice(0, _SIDES), slice(5, width), _SIDES

    def _boxes(self, found: Array) -> Verdict:
        plain = (self.box, self.distances, self.distances * self.strides)
        if any(same(found, values, self.tolerance / self.strides) for values in plain):
            return RAW_VALUES
        if found.shape[1] == _SIDES and self.form(found):
            return DECODED
        return OTHER

    def _scores(self, rows: Array, place: slice, factor: int | None) -> Verdict:
        found = rows[:, place]
        if factor is not None:
            found = found * rows[:, factor : factor + 1]
        if _alike(found, self.logits):
            return RAW_VALUES
        wanted = 1 / (1 + np.exp(-np.clip(self.logits, -80, 80)))
        # Exports may set scores below their own threshold to zero.
        kept = found != 0
        if not kept.any():
            return NOTHING
        return DECODED if _alike(found[kept], wanted[kept]) else OTHER


def difference_of(rows: Array, reading: Reading) -> str:
    """Explain how the model's own boxes, the first four of each row, differ from the camera's."""
    if rows.shape[1] < _SIDES:
        return ""
    found = rows[:, :_SIDES]
    for (change, apply), offset in itertools.product(_CHANGES.items(), (0.5, 0.0)):
        with np.errstate(all="ignore"):
            changed = apply(reading.distances)
            form = reading.form(found, changed, offset)
        if form or same(found, changed, reading.tolerance / reading.strides):
            reasons = [change] if change else []
            if not offset:
                reasons.append("distances are measured from a cell's corner, not its centre")
            return "; ".join(reasons)
    finite = np.isfinite(found).all(axis=1)
    apart = np.abs(found[finite] - reading.corners[finite]).max(initial=0)
    other = np.abs(found[finite] - centres(reading.corners)[finite]).max(initial=0)
    return f"up to {min(apart, other):.4g} pixels apart on a test picture"


_CHANGES: dict[str, Callable[[Array], Array]] = {
    "": lambda values: values,
    "each distance is the exponential of what the head gives": np.exp,
    "negative distances are set to zero": lambda values: np.maximum(values, 0),
    "distances pass through a softplus": lambda values: np.logaddexp(values, 0),
}


def check_rows(
    output: Array, classes: int, parts: Sequence[Sequence[Array]], side: int, *, points: bool
) -> None:
    """Compare an output [1, 4 + nc + rest, N] of pose or segmentation with its heads.

    `parts` are the three last convolutions of each scale, from stride 8. Raises
    UnsupportedModelError unless the output holds centre and size in pixels, the sigmoid of the
    class tensors, and the rest as the camera reads it: key points in pixels with `points`, else a
    mask's weights.
    """
    rows = output.reshape(output.shape[1], -1).T
    extra = rows.shape[1] - _SIDES - classes
    problems = []
    for box, logits, rest in _arrangements(parts):
        if logits[0].shape[1] != classes or rest[0].shape[1] != extra:
            continue
        reading = Reading.of_scales(box, logits, side)
        problem = _problem_with(rows, reading, np.concatenate([*map(_by_cell, rest)]), points)
        if not problem:
            return
        problems.append(problem)
    reason = (problems or ["heads are not one box, one class and one further tensor a stride"])[0]
    raise UnsupportedModelError(f"the camera would misread this model: its {reason}", PLAIN_EXPORT)


def row_form(rows: Array, parts: Sequence[Sequence[Array]], side: int) -> BoxForm | None:
    """Return the form of the boxes in `rows` [N, n], from each scale's three last convolutions."""
    for box, logits, _ in _arrangements(parts):
        if form := Reading.of_scales(box, logits, side).form(rows[:, :_SIDES]):
            return form
    return None


def _arrangements(parts: Sequence[Sequence[Array]]) -> Iterator[list[list[Array]]]:
    """Yield each way in which three tensors a scale can be box, classes and rest, by scale."""
    if len(parts) != len(STRIDES) or any(len(found) != 3 for found in parts):
        return
    for order in itertools.permutations(range(3)):
        box, logits, rest = ([found[place] for found in parts] for place in order)
        alike = all(len({array.shape[1] for array in kind}) == 1 for kind in (box, logits, rest))
        if alike and box[0].shape[1] in (BOX_CHANNELS, PLAIN_BOX_CHANNELS):
            yield [box, logits, rest]


def _problem_with(rows: Array, reading: Reading, rest: Array, points: bool) -> str:
    """Say what the camera would misread in `rows`; "" for nothing."""
    classes = reading.logits.shape[1]
    form = reading.form(rows[:, :_SIDES])
    if form is None:
        return "boxes are not those of its heads"
    if form != BoxForm(CENTRES):
        return f"boxes are {form}, where the camera expects {BoxForm(CENTRES)}"
    scores = rows[:, _SIDES : _SIDES + classes]
    if reading.verdict(scores, classes, False, True)[1] != DECODED:
        return "scores are not the sigmoid of its class tensors"
    last = rows[:, _SIDES + classes :]
    if not points:
        return "" if _alike(last, rest) else "mask weights are not those of its heads"
    known = any(
        same(last, _key_points(rest, reading, *rule), reading.tolerance) for rule in _KEY_POINTS
    )
    return "" if known else "key points are not in pixels"


PLAIN_EXPORT = (
    'With Ultralytics: YOLO("best.pt").export(format="onnx", imgsz=640, nms=False), or without nms.'
)


def check_anchored(output: Array, side: int) -> None:
    """Check that YOLOv5's output [1, 3N, 5 + nc] holds pixels and scores.

    Each box's centre must be within one stride of its own cell's. Raises UnsupportedModelError.
    """
    rows = output[0]
    points, strides = [], []
    for stride in STRIDES:
        grid = side // stride
        down, across = np.mgrid[0:grid, 0:grid].astype(np.float32)
        centre = (np.stack([across.ravel(), down.ravel()], axis=1) + 0.5) * stride
        points.append(centre)
        strides.append(np.full((3 * grid * grid, 1), stride, np.float32))
    reach = np.concatenate(strides) * 1.001
    orders = (
        np.concatenate([np.tile(centre, (3, 1)) for centre in points]),
        np.concatenate([np.repeat(centre, 3, axis=0) for centre in points]),
    )
    near = [bool((np.abs(rows[:, :2] - centre) <= reach).all()) for centre in orders]
    if not any(near) or (rows[:, 2:4] < 0).any():
        raise UnsupportedModelError(
            "the output has the shape of a YOLOv5's, and its boxes are not centre and size in "
            "pixels: the camera would show them in wrong places",
            "Export the model with YOLOv5's own export.py, or convert with --family raw.",
        )
    if (rows[:, 4:] < 0).any() or (rows[:, 4:] > 1).any():
        raise UnsupportedModelError(
            "the output has the shape of a YOLOv5's, and its scores are not between 0 and 1",
            "Export the model with YOLOv5's own export.py, which applies the sigmoid.",
        )


def check_classes(output: Array) -> None:
    """Check that a classifier's scores add up to one. Raises UnsupportedModelError."""
    scores = output.ravel()
    if not abs(float(scores.sum()) - 1) < 1e-3:
        raise UnsupportedModelError(
            f"the classifier's scores add up to {float(scores.sum()):.4g}, not to 1: its softmax "
            "is over another axis than the classes",
            "Export it with a softmax over the classes, as Ultralytics does.",
        )


_KEY_POINTS = ((2.0, 0.0), (1.0, 0.5))
"""In cells, a key point's distance is this often the head's value, and is measured from this place
of its cell: of YOLOv8 and YOLO11, and of YOLO26. The camera reads the pixels that come of it."""


def _key_points(values: Array, reading: Reading, times: float, offset: float) -> Array:
    """Decode key points [n, 3K] to pixels: x, y, and a sigmoid for the visibility."""
    points = values.reshape(len(values), -1, 3).copy()
    places = reading.places[:, None, :] + np.float32(offset)
    points[..., :2] = (points[..., :2] * times + places) * reading.strides[:, :, None]
    points[..., 2] = 1 / (1 + np.exp(-np.clip(points[..., 2], -80, 80)))
    decoded: Array = points.reshape(len(values), -1)
    return decoded


def _by_cell(array: Array) -> Array:
    """Turn [1, n, g, g] into [g * g, n]."""
    rows: Array = array[0].reshape(array.shape[1], -1).T
    return rows


def _alike(found: Array, wanted: Array) -> bool:
    if found.shape != wanted.shape:
        return False
    largest = float(np.abs(wanted).max(initial=0))
    difference = np.abs(found - wanted).max(initial=0)
    return bool(difference <= _SCORE_ROUNDING + _SCORE_SHARE * largest)
