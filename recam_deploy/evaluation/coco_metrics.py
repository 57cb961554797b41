"""Compute average precision as COCO defines it, by faster-coco-eval.

Only this module imports it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from faster_coco_eval import COCO, COCOeval_faster
from faster_coco_eval.core import mask as run_lengths

from ..detection.mask import Mask
from ..detection.types import Box
from .types import MOST_DETECTIONS

Compared = Literal["bbox", "segm", "keypoints"]

SIZES = ("small", "medium", "large")
"""COCO's areas: below 32 × 32 pixels, below 96 × 96, and the rest."""

_ATTRIBUTES: Mapping[Compared, str] = {
    "bbox": "bbox",
    "segm": "segmentation",
    "keypoints": "keypoints",
}
"""What of a result is compared."""

_COCO_KEYPOINTS = 17
_MOST_POSES = 20
"""The most detections of a picture that count for keypoints, as in COCO's evaluation."""

_AT_50, _AT_75 = 0, 5
"""The places of these IoU thresholds among 0.50, 0.55 … 0.95."""


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision over IoU 0.50 to 0.95, and at 0.50 and 0.75; None without objects.

    `by_size` is of the first kind, with `SIZES`; `by_class` of the first two by category id.
    `curve` is the precision, mean over classes, at the recalls 0, 0.01 … 1 and an IoU of 0.50;
    `curve75` at 0.75. Both are empty without objects. For keypoints IoU means their similarity.
    """

    map50_95: float | None
    map50: float | None
    map75: float | None
    by_size: Mapping[str, float | None]
    by_class: Mapping[int, tuple[float | None, float | None]]
    curve: tuple[float, ...]
    curve75: tuple[float, ...] = ()


def average_precision(
    truth: dict[str, Any], found: Sequence[dict[str, Any]], compared: Compared, keypoints: int = 0
) -> AveragePrecision:
    """Compare a COCO list of results with a COCO data set, by boxes, masks or keypoints.

    `keypoints` is their number. COCO knows how far people's 17 may be off; others get 1 / number
    each, as in Ultralytics. Results without what is compared are left out. Nothing is printed.
    """
    sigmas = None
    if compared == "keypoints" and keypoints != _COCO_KEYPOINTS:
        sigmas = [1 / keypoints] * keypoints
    # The library writes into the annotations.
    annotations = [dict(one) for one in truth["annotations"]]
    data = COCO(truth | {"annotations": annotations}, print_function=_print_nothing)
    given = [_only(one, compared) for one in found if _ATTRIBUTES[compared] in one]
    evaluator = COCOeval_faster(
        data,
        data.loadRes(given),
        iouType=compared,
        print_function=_print_nothing,
        kpt_oks_sigmas=sigmas,
        rle_iou_max_workers=1,
    )
    evaluator.params.catIds = sorted(category["id"] for category in truth["categories"])
    evaluator.params.maxDets = [_MOST_POSES if compared == "keypoints" else MOST_DETECTIONS]
    evaluator.evaluate()
    evaluator.accumulate()
    # [IoU, recall, category, area, most detections]
    precision = np.asarray(evaluator.eval["precision"], np.float64)[..., -1]
    areas = [str(name) for name in evaluator.params.areaRngLbl]
    everything = precision[..., areas.index("all")]
    return AveragePrecision(
        map50_95=_mean(everything),
        map50=_mean(everything[_AT_50]),
        map75=_mean(everything[_AT_75]),
        by_size={
            size: _mean(precision[..., areas.index(size)]) if size in areas else None
            for size in SIZES
        },
        by_class={
            int(category): (_mean(everything[:, :, place]), _mean(everything[_AT_50, :, place]))
            for place, category in enumerate(evaluator.params.catIds)
        },
        curve=_curve(everything[_AT_50]),
        curve75=_curve(everything[_AT_75]),
    )


def box_overlaps(
    boxes: Sequence[Box], others: Sequence[Box], crowds: Sequence[bool]
) -> npt.NDArray[np.float64]:
    """Compute the intersection over union of corner boxes: [boxes, others].

    For an other that is a crowd it is the share of the box that is inside.
    """
    if not boxes or not others:
        return np.zeros((len(boxes), len(others)))
    first, second = [as_sides(box) for box in boxes], [as_sides(box) for box in others]
    return np.array(run_lengths.iou(first, second, [int(crowd) for crowd in crowds]), np.float64)


def as_sides(box: Box) -> list[float]:
    """Convert corners to COCO's x, y, width and height."""
    x1, y1, x2, y2 = box
    return [x1, y1, x2 - x1, y2 - y1]


def compressed(mask: Mask) -> dict[str, Any]:
    """Return COCO's document of a mask, its run lengths as the text that COCO's tools exchange."""
    document = mask.as_json()
    height, width = document["size"]
    counts: bytes = run_lengths.frPyObjects(document, height, width)["counts"]
    return {"size": [height, width], "counts": counts.decode("ascii")}


def _print_nothing(*_: object) -> None:
    pass


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    """Average the values that are there: the library writes -1 where there are no objects."""
    known = values[values > -1]
    return float(known.mean()) if known.size else None


def _curve(precision: npt.NDArray[np.float64]) -> tuple[float, ...]:
    known = precision[:, (precision > -1).all(axis=0)]
    return tuple(known.mean(axis=1).tolist()) if known.size else ()


def _only(result: dict[str, Any], compared: Compared) -> dict[str, Any]:
    """Keep of a result what is compared: of a mask with a box, the library takes the box's area."""
    kept = ("image_id", "category_id", "score", _ATTRIBUTES[compared])
    return {key: result[key] for key in kept}
