"""Train detection, pose and segmentation.

The losses are binary cross-entropy, CIoU and DFL, and the distances of key points or the
cross-entropy of masks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .assignment import Assignment, assign, iou
from .dataset import EXTREMES, MASK_STRIDE
from .heads import BINS, SIDES, Maps
from .trunk import cell_centres

Parts = dict[str, Tensor]

_MOST_MASKS = 256
"""Of a batch, drawn at random: each costs as much as the whole map of prototypes."""


@dataclass(frozen=True)
class Truth:
    """Hold the truth about a batch, in the shapes of the fields of `dataset.Examples`."""

    boxes: Tensor
    points: Tensor
    instances: Tensor

    def of_one_class(self) -> Truth:
        """Return the same with class 0 for every shape."""
        boxes = self.boxes.clone()
        boxes[..., 0] = boxes[..., 0].clamp(max=0)
        return Truth(boxes, self.points, self.instances)


@dataclass(frozen=True)
class _Positives:
    """Hold the P cells that learn a shape: where they are, and how much each counts."""

    image: Tensor
    cell: Tensor
    owner: Tensor
    weight: Tensor
    total: Tensor

    @staticmethod
    def of(assigned: Assignment) -> _Positives:
        image, cell = assigned.positive.nonzero(as_tuple=True)
        return _Positives(
            image,
            cell,
            assigned.owner[image, cell],
            assigned.scores.sum(-1)[image, cell],
            assigned.scores.sum().clamp(min=1.0),
        )

    def mean(self, losses: Tensor) -> Tensor:
        """Return the weighted mean of one loss a cell, [P]."""
        return (losses * self.weight).sum() / self.total


class DetectionLoss:
    """Compute the loss of a head's maps; at most `candidates` cells learn each shape."""

    def __init__(self, size: int, candidates: int = 10) -> None:
        self.cells, self.strides = cell_centres(size)
        self.bins = torch.arange(BINS, dtype=torch.float32)
        self.candidates = candidates

    def __call__(self, maps: Maps, truth: Truth) -> Parts:
        """Return the parts of the loss, each weighted as it is to be added."""
        raw = maps.boxes.transpose(1, 2)
        logits = maps.logits.transpose(1, 2)
        distances = self._distances(raw)
        boxes = torch.cat((self.cells - distances[..., :2], self.cells + distances[..., 2:]), -1)
        assigned = assign(
            logits.detach().sigmoid(),
            boxes.detach() * self.strides,
            truth.boxes,
            self.cells * self.strides,
            self.candidates,
        )
        found = _Positives.of(assigned)
        entropy = F.binary_cross_entropy_with_logits(logits, assigned.scores, reduction="sum")
        where = (found.image, found.cell)
        corners = assigned.boxes[where]
        true_boxes = corners / self.strides[found.cell]
        overlap = iou(boxes[where], true_boxes, complete=True)
        centres = self.cells[found.cell]
        sides = torch.cat((centres - true_boxes[:, :2], true_boxes[:, 2:] - centres), -1)
        parts = {
            "class": 0.5 * entropy / found.total,
            "box": 7.5 * found.mean(1 - overlap),
            "sides": 1.5 * found.mean(_side_loss(raw[where], sides)),
        }
        if maps.prototypes is not None and maps.extra is not None:
            parts["mask"] = _mask_loss(maps.extra, maps.prototypes, truth, found)
        elif maps.extra is not None:
            parts["points"] = self._point_loss(maps.extra, truth, found)
        return parts

    def _distances(self, raw: Tensor) -> Tensor:
        """Return the four sides' distances [n,N,4] in cells, from plain ones or bins."""
        if raw.shape[-1] == SIDES:
            return raw
        return raw.reshape(*raw.shape[:2], SIDES, BINS).softmax(-1) @ self.bins

    def _point_loss(self, extra: Tensor, truth: Truth, found: _Positives) -> Tensor:
        """Return the points' distances, in sides of the box, and whether they are visible."""
        raw = extra.transpose(1, 2)[found.image, found.cell].view(-1, EXTREMES, 3)
        strides = self.strides[found.cell][:, None]
        points = (raw[..., :2] * 2 + self.cells[found.cell][:, None] - 0.5) * strides
        wanted = truth.points[found.image, found.owner]
        box = truth.boxes[found.image, found.owner, 1:]
        side = (box[:, 2:] - box[:, :2]).mean(-1)[:, None, None].clamp(min=1.0)
        off = ((points - wanted[..., :2]).abs() / side).mean(-1) * wanted[..., 2]
        seen = F.binary_cross_entropy_with_logits(raw[..., 2], wanted[..., 2], reduction="none")
        return found.mean((12 * off + 0.5 * seen).mean(-1))


def _side_loss(raw: Tensor, sides: Tensor) -> Tensor:
    """Compare distances [P,4] in cells with what a cell gives; return [P].

    Plain distances are compared as shares of the box, bins by their cross-entropy at the two around
    each.
    """
    if raw.shape[-1] == SIDES:
        spans = (sides[:, :2] + sides[:, 2:]).repeat(1, 2).clamp(min=1.0)
        return ((raw - sides).abs() / spans).mean(-1)
    distance = sides.clamp(0, BINS - 1.01)
    low = distance.long()
    share = distance - low
    logs = raw.view(-1, SIDES, BINS).log_softmax(-1)
    left = logs.gather(-1, low[..., None]).squeeze(-1)
    right = logs.gather(-1, low[..., None] + 1).squeeze(-1)
    return -(left * (1 - share) + right * share).mean(-1)


def _mask_loss(extra: Tensor, prototypes: Tensor, truth: Truth, found: _Positives) -> Tensor:
    """Return the binary cross-entropy of the masks inside their boxes.

    It is a mean over each box's cells.
    """
    drawn = torch.randperm(len(found.image))[:_MOST_MASKS]
    image, owner = found.image[drawn], found.owner[drawn]
    weights = extra.transpose(1, 2)[image, found.cell[drawn]]
    left, top, right, bottom = (truth.boxes[image, owner, 1:] / MASK_STRIDE).T[..., None, None]
    rows = torch.arange(prototypes.shape[2])[:, None]
    columns = torch.arange(prototypes.shape[3])
    inside = (columns >= left.floor()) & (columns < right) & (rows >= top.floor())
    inside = inside & (rows < bottom)
    wanted = (truth.instances[image] == owner[:, None, None] + 1).float()
    losses = torch.zeros(len(drawn))
    for number in torch.unique(image):
        own = image == number
        logits = torch.einsum("pc,chw->phw", weights[own], prototypes[number])
        entropy = F.binary_cross_entropy_with_logits(logits, wanted[own], reduction="none")
        area = inside[own].sum((1, 2)).clamp(min=1)
        losses[own] = (entropy * inside[own]).sum((1, 2)) / area
    return 4 * losses.sum() / max(1, len(drawn))
