"""Build the heads of each family, in the layout and with the names of Ultralytics' modules.

`cv2` finds boxes, `cv3` classes, `cv4` what a task adds; `one2one_cv2` and `one2one_cv3` are
YOLO26's. `m` is YOLOv5's one convolution a scale. In the names of an exported graph they are found
again, as in `/model.23/cv2.0/cv2.0.2/Conv_output_0`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .blocks import ConvNormAct

BINS = 16
"""Of the distribution over a side's distances (distribution focal loss, Li et al. 2020)."""
SIDES = 4
PROTOTYPES = 32
ANCHORS = (
    ((10.0, 10.0), (15.0, 15.0), (20.0, 20.0)),
    ((26.0, 26.0), (34.0, 34.0), (44.0, 44.0)),
    ((56.0, 56.0), (72.0, 72.0), (92.0, 92.0)),
)
"""YOLOv5's widths and heights in input pixels at strides 8, 16 and 32: shapes are about square."""

_RARE = -5.0
"""First bias of class logits: shapes are rare among the cells."""


@dataclass(frozen=True)
class Maps:
    """Hold what a head finds at the N cells of all three scales.

    `boxes` [n,64,N] logits of the DFL's bins, or [n,4,N] distances in cells; `logits` [n,nc,N];
    `extra` [n,e,N] of a task, None where there is none; `prototypes` [n,32,s/4,s/4] likewise.
    """

    boxes: Tensor
    logits: Tensor
    extra: Tensor | None = None
    prototypes: Tensor | None = None

    def float(self) -> Maps:
        """Return the same in float32."""
        extra = None if self.extra is None else self.extra.float()
        prototypes = None if self.prototypes is None else self.prototypes.float()
        return Maps(self.boxes.float(), self.logits.float(), extra, prototypes)


@dataclass(frozen=True)
class Levels:
    """Hold the same as the network gives it: one map [n,c,g,g] for each of the three scales."""

    boxes: list[Tensor]
    logits: list[Tensor]
    extra: list[Tensor]
    prototypes: Tensor | None = None

    def joined(self) -> Maps:
        """Join all scales."""
        extra = join(self.extra) if self.extra else None
        return Maps(join(self.boxes), join(self.logits), extra, self.prototypes)


def join(maps: Sequence[Tensor]) -> Tensor:
    """Join maps [n,c,g,g] of three scales into one [n,c,N]."""
    return torch.cat([level.view(level.shape[0], level.shape[1], -1) for level in maps], 2)


def _each(branches: nn.ModuleList, features: Sequence[Tensor]) -> list[Tensor]:
    return [branch(x) for branch, x in zip(branches, features, strict=True)]


def _branch(inner: Sequence[nn.Module], width: int, outputs: int, bias: float) -> nn.Sequential:
    last = nn.Conv2d(width, outputs, 1)
    if last.bias is not None:
        nn.init.constant_(last.bias, bias)
    return nn.Sequential(*inner, last)


def _class_branch(style: str, inputs: int, width: int, classes: int) -> nn.Sequential:
    """Build a class branch in one of three styles.

    They are YOLOv8's two convolutions; YOLO11's two depthwise ones with one 1 x 1 each; or "light":
    one 3 x 3 and one 1 x 1.
    """
    inner: dict[str, list[nn.Module]] = {
        "yolov8": [ConvNormAct(inputs, width), ConvNormAct(width, width)],
        "yolo11": [
            nn.Sequential(
                ConvNormAct(inputs, inputs, groups=inputs), ConvNormAct(inputs, width, 1)
            ),
            nn.Sequential(ConvNormAct(width, width, groups=width), ConvNormAct(width, width, 1)),
        ],
        "light": [ConvNormAct(inputs, width), ConvNormAct(width, width, 1)],
    }
    return _branch(inner[style], width, classes, _RARE)


def _plain_branch(inputs: int, width: int, outputs: int, bias: float) -> nn.Sequential:
    inner = [ConvNormAct(inputs, width), ConvNormAct(width, width)]
    return _branch(inner, width, outputs, bias)


class Prototypes(nn.Module):
    """Compute the masks' prototypes [n,32,s/4,s/4] from features at stride 8."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.cv1 = ConvNormAct(inputs, width)
        self.upsample = nn.ConvTranspose2d(width, width, 2, 2)
        self.cv2 = ConvNormAct(width, width)
        self.cv3 = ConvNormAct(width, PROTOTYPES, 1)

    def forward(self, fine: Tensor) -> Tensor:
        result: Tensor = self.cv3(self.cv2(self.upsample(self.cv1(fine))))
        return result


class Head(nn.Module):
    """Find boxes: one box, one class and maybe one more branch a scale.

    The third branch is for poses or segmentation. `style` is that of the class branch; `extra`
    counts what a task adds to a cell: 3 for a key point, 32 for a mask, which `masks` tells to
    make.
    """

    def __init__(
        self,
        channels: Sequence[int],
        classes: int,
        width: int,
        style: str,
        *,
        extra: int = 0,
        masks: bool = False,
    ) -> None:
        super().__init__()
        self.cv2 = nn.ModuleList(_plain_branch(c, width, SIDES * BINS, 1.0) for c in channels)
        self.cv3 = nn.ModuleList(_class_branch(style, c, width, classes) for c in channels)
        counted = channels if extra else ()
        self.cv4 = nn.ModuleList(_plain_branch(c, width, extra, 0.0) for c in counted)
        self.proto = Prototypes(channels[0], width) if masks else None

    def forward(self, features: Sequence[Tensor]) -> Levels:
        boxes, logits = _each(self.cv2, features), _each(self.cv3, features)
        extra = _each(self.cv4, features) if self.cv4 else []
        return Levels(boxes, logits, extra, self.proto(features[0]) if self.proto else None)


class OneToOneHead(nn.Module):
    """Find boxes as YOLO26 does: plain distances in place of bins, and a second pair of branches.

    The second pair finds each shape at one cell. The first only teaches the trunk and is not
    exported.
    """

    def __init__(self, channels: tuple[int, ...], classes: int, width: int) -> None:
        super().__init__()
        boxes = [_plain_branch(c, width, SIDES, 1.0) for c in channels * 2]
        logits = [_class_branch("yolo11", c, width, classes) for c in channels * 2]
        self.cv2, self.cv3 = nn.ModuleList(boxes[:3]), nn.ModuleList(logits[:3])
        self.one2one_cv2, self.one2one_cv3 = nn.ModuleList(boxes[3:]), nn.ModuleList(logits[3:])

    def many(self, features: Sequence[Tensor]) -> Levels:
        """Return the outputs of the first pair."""
        return Levels(_each(self.cv2, features), _each(self.cv3, features), [])

    def forward(self, features: Sequence[Tensor]) -> Levels:
        return Levels(_each(self.one2one_cv2, features), _each(self.one2one_cv3, features), [])


class AnchorHead(nn.Module):
    """Find boxes as YOLOv5 does: three anchors a cell.

    It has one convolution of 3 * (5 + nc) channels a scale.
    """

    def __init__(self, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        self.width = SIDES + 1 + classes
        self.m = nn.ModuleList(nn.Conv2d(c, 3 * self.width, 1) for c in channels)
        for conv in self.m:
            bias = torch.zeros(3, self.width)
            bias[:, SIDES] = _RARE
            bias[:, SIDES + 1 :] = -1.0
            conv.bias = nn.Parameter(bias.ravel())

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return raw values [n,3,g,g,5+nc] of the three scales."""
        levels = []
        for conv, x in zip(self.m, features, strict=True):
            level = conv(x)
            count, _, rows, columns = level.shape
            apart = level.view(count, 3, self.width, rows, columns)
            levels.append(apart.permute(0, 1, 3, 4, 2).contiguous())
        return levels


class ClassHead(nn.Module):
    """Classify as Ultralytics' models do.

    A convolution and the mean over the map give logits [n,nc].
    """

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.conv = ConvNormAct(channels, width, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(width, classes)

    def forward(self, coarse: Tensor) -> Tensor:
        result: Tensor = self.linear(self.pool(self.conv(coarse)).flatten(1))
        return result
