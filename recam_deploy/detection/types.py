"""Define a detection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .mask import Mask

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Detection:
    """One detected object.

    `box` is x1, y1, x2, y2 in pixels of the original picture, and so are the (x, y) of a pose
    model's `keypoints` and the `mask` of a segmentation model. A classifier's box is the whole
    picture.
    """

    class_id: int
    label: str
    score: float
    box: Box
    keypoints: tuple[tuple[float, float], ...] = ()
    mask: Mask | None = None

    @property
    def visible(self) -> bool:
        """Say whether the box, clipped to the picture, has an area."""
        x1, y1, x2, y2 = self.box
        return x2 > x1 and y2 > y1

    def as_json(self) -> dict[str, Any]:
        """Return the detection as every `--json` document shows it."""
        document: dict[str, Any] = {
            "class_id": self.class_id,
            "label": self.label,
            "score": round(self.score, 4),
            "box": [round(side, 1) for side in self.box],
        }
        if self.keypoints:
            document["keypoints"] = [[round(x, 1), round(y, 1)] for x, y in self.keypoints]
        if self.mask:
            document["mask"] = self.mask.as_json()
        return document
