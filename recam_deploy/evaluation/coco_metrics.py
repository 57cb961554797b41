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

from .types import MOST_DETECTIONS

Compared = Literal["bbox", "segm", "keypoints"]

SIZES = ("small", "medium", "large")
"""COCO's areas: below 32 × 32 pixels, below 96 × 96, and the rest."""

_COCO_KEYPOINTS = 17
_AT_50, _AT_75 = 0, 5
"""The places of these IoU thresholds among 0.50, 0.55 … 0.95."""


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision over IoU 0.50 to 0.95, and at 0.50 and 0.75; None without objects.

    `by_size` is of the first kind, with `SIZES`; `by_class` of the first two by category id.
    `curve` is the precision, mean over classes, at the recalls 0, 0.01 … 1 and an IoU of 0.50.
    """

    map50_95: float | None
    map50: float | None
    map75: float | None
    by_size: Mapping[str, float | None]
    by_class: Mapping[int, tuple[float | None, float | None]]
    curve: tuple[float, ...]


def average_precision(
    truth: dict[str, Any], found: Sequence[dict[str, Any]], compared: Compared, keypoints: int = 0
) -> AveragePrecision:
    """Compare a COCO list of results with a COCO data set, by boxes, masks or keypoints.

    `keypoints` is their number. COCO knows how far people's 17 may be off; others get 1 / number
    each, as in Ultralytics.
    """
    sigmas = None
    if compared == "keypoints" and keypoints != _COCO_KEYPOINTS:
        sigmas = [1 / max(1, keypoints)] * keypoints
    data = COCO(_with_compressed_masks(truth))
    given = [_only(one, compared) for one in found]
    evaluator = COCOeval_faster(data, data.loadRes(given), iouType=compared, kpt_oks_sigmas=sigmas)
    if compared != "keypoints":
        evaluator.params.maxDets = [MOST_DETECTIONS]
    evaluator.evaluate()
    evaluator.accumulate()
    # [IoU, recall, category, area, most detections]
    precision = np.asarray(evaluator.eval["precision"])[..., -1]
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
    )


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    """Average the values that are there: the library writes -1 where there are no objects."""
    known = values[values > -1]
    return float(known.mean()) if known.size else None


def _curve(precision: npt.NDArray[np.float64]) -> tuple[float, ...]:
    known = precision[:, (precision > -1).all(axis=0)]
    return tuple(known.mean(axis=1).tolist()) if known.size else ()


def _only(result: dict[str, Any], compared: Compared) -> dict[str, Any]:
    """Keep of a result what is compared: of a mask with a box, the library takes the box's area."""
    kept = {key: result[key] for key in ("image_id", "category_id", "score")}
    if compared == "segm":
        return kept | {"segmentation": _compressed(result["segmentation"])}
    return kept | {compared: result[compared]}


def _with_compressed_masks(truth: dict[str, Any]) -> dict[str, Any]:
    annotations = [
        one | {"segmentation": _compressed(one["segmentation"])}
        if isinstance(one.get("segmentation"), dict)
        else one
        for one in truth["annotations"]
    ]
    return truth | {"annotations": annotations}


def _compressed(mask: dict[str, Any]) -> dict[str, Any]:
    """Return a mask with its run lengths as the text that COCO's tools exchange."""
    if not isinstance(mask["counts"], list):
        return mask
    height, width = mask["size"]
    done = run_lengths.frPyObjects(mask, height, width)
    counts = done["counts"]
    return {
        "size": mask["size"],
        "counts": counts.decode() if isinstance(counts, bytes) else counts,
    }
