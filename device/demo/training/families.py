"""Define the model families: the head, the training and the export's metadata of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .anchored_loss import AnchoredLoss
from .dataset import EXTREMES
from .heads import PROTOTYPES, AnchorHead, ClassHead, Head, OneToOneHead
from .loss import DetectionLoss, Parts, Truth
from .shapes import CLASSES
from .trunk import BUNDLED, SLIM, SMALL, PlainTrunk, Trunk, Widths

POINT_VALUES = 3
"""x, y and visibility."""


@dataclass(frozen=True)
class Family:
    """Define one kind of model.

    `layer` is the head's number in Ultralytics' networks, by which the exported graph names it;
    `style` is that of the class branch (`heads.Head`).
    """

    name: str
    title: str
    task: str
    layer: int
    style: str = "yolo11"
    size: int = 192
    trunk: type[Trunk] | type[PlainTrunk] = PlainTrunk
    widths: Widths = SMALL

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of its classes; a pose model has one."""
        return ("shape",) if self.task == "pose" else CLASSES


_LISTED = (
    Family("bundled", "YOLO11's head layout", "detect", 23, "light", 320, Trunk, BUNDLED),
    Family("yolo11", "YOLO11 detection", "detect", 23),
    Family("yolov8", "YOLOv8 detection", "detect", 22, "yolov8"),
    Family("yolov5", "YOLOv5 detection", "detect", 24, "anchors"),
    Family("yolo26", "YOLO26 detection", "detect", 23, "one-to-one"),
    Family("yolo11-pose", "YOLO11 pose", "pose", 23),
    Family("yolov8-pose", "YOLOv8 pose", "pose", 22, "yolov8", widths=SLIM),
    Family("yolo11-seg", "YOLO11 segmentation", "segment", 23),
    Family("yolov8-seg", "YOLOv8 segmentation", "segment", 22, "yolov8", widths=SLIM),
    Family("yolo11-cls", "YOLO11 classification", "classify", 10, size=128),
)
FAMILIES = {family.name: family for family in _LISTED}


class Network(nn.Module):
    """Join a trunk and the head of one family, which tells what `forward` returns."""

    def __init__(self, family: Family) -> None:
        super().__init__()
        self.family = family
        self.trunk = family.trunk(family.widths)
        self.head = _head(family)

    def features(self, images: Tensor) -> Any:
        """Choose the head's inputs: the deepest stage for a classifier, else all three scales."""
        if self.family.task == "classify":
            return self.trunk.stages(images)[2]
        return self.trunk(images)


def _head(family: Family) -> nn.Module:
    widths, classes = family.widths, len(family.classes)
    channels, width = widths.merged, widths.head
    if family.task == "classify":
        return ClassHead(widths.stages[2], classes, 4 * width)
    if family.style == "anchors":
        return AnchorHead(channels, classes)
    if family.style == "one-to-one":
        return OneToOneHead(channels, classes, width)
    extra = {"pose": EXTREMES * POINT_VALUES, "segment": PROTOTYPES}.get(family.task, 0)
    masks = family.task == "segment"
    return Head(channels, classes, width, family.style, extra=extra, masks=masks)


class Criterion:
    """Compute the loss that networks of one family are trained with."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self.many = DetectionLoss(family.size)
        self.single = DetectionLoss(family.size, candidates=1)
        self.anchored = AnchoredLoss()

    def __call__(self, network: Network, images: Tensor, truth: Truth) -> Parts:
        """Return the parts of the loss of one batch, each weighted as it is to be added.

        The network computes in BF16 where autocast is on; the loss never does.
        """
        features = network.features(images)
        found = network.head(features)
        if isinstance(network.head, OneToOneHead):
            taught = network.head.many(features)
        with torch.autocast("cpu", enabled=False):
            if isinstance(network.head, ClassHead):
                wanted = truth.boxes[:, 0, 0].long()
                return {"class": F.cross_entropy(found.float(), wanted)}
            if isinstance(network.head, AnchorHead):
                return self.anchored([level.float() for level in found], truth)
            if isinstance(network.head, OneToOneHead):
                single = self.single(found.joined().float(), truth)
                many = self.many(taught.joined().float(), truth)
                return single | {f"{name}, many": part for name, part in many.items()}
            seen = truth.of_one_class() if self.family.task == "pose" else truth
            return self.many(found.joined().float(), seen)
