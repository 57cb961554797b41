"""Assign shapes to the cells that learn them: task-aligned assignment (Feng et al. 2021)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Assignment:
    """Record which cells learn which shape.

    positive [n,N] bool; owner [n,N] the shape's row in the truth; boxes [n,N,4] corners in pixels;
    scores [n,N,classes] soft targets.
    """

    positive: Tensor
    owner: Tensor
    boxes: Tensor
    scores: Tensor


def iou(a: Tensor, b: Tensor, complete: bool = False) -> Tensor:
    """Compute the IoU of corner boxes [...,4], broadcast.

    `complete` gives CIoU (Zheng et al. 2020).
    """
    low = torch.maximum(a[..., :2], b[..., :2])
    high = torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    size_a = (a[..., 2:] - a[..., :2]).clamp(min=1e-6)
    size_b = (b[..., 2:] - b[..., :2]).clamp(min=1e-6)
    result = shared / (size_a.prod(-1) + size_b.prod(-1) - shared + 1e-7)
    if not complete:
        return result
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    diagonal = hull.square().sum(-1) + 1e-7
    offset = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]).square().sum(-1) / 4
    angles = [torch.atan(size[..., 0] / size[..., 1]) for size in (size_a, size_b)]
    shape = (4 / math.pi**2) * (angles[0] - angles[1]).square()
    with torch.no_grad():
        weight = shape / (1 - result + shape + 1e-7)
    return result - offset / diagonal - weight * shape


@torch.no_grad()
def assign(
    scores: Tensor, boxes: Tensor, truth: Tensor, centres: Tensor, candidates: int = 10
) -> Assignment:
    """Give each shape its best cells by score^0.5 * IoU^6 among those centred inside its box.

    scores [n,N,classes] after sigmoid, boxes [n,N,4] in pixels, truth [n,M,5] with class -1 for
    none, centres [N,2] in pixels. A cell wanted by two shapes goes to that of higher IoU.
    """
    present = truth[..., 0] >= 0
    class_ids = truth[..., 0].clamp(min=0).long()
    corners = truth[..., 1:]
    inside = (
        (centres[None, None] - corners[:, :, None, :2])
        .amin(-1)
        .minimum((corners[:, :, None, 2:] - centres[None, None]).amin(-1))
        > 0
    ) & present[..., None]
    overlaps = iou(corners[:, :, None], boxes[:, None]) * inside
    index = class_ids[..., None].expand(-1, -1, scores.shape[1])
    own_scores = scores.transpose(1, 2).gather(1, index)
    metric = own_scores.sqrt() * overlaps.pow(6) * inside
    best = metric.topk(candidates, dim=-1)
    chosen = torch.zeros_like(metric).scatter_(-1, best.indices, 1.0).bool() & inside
    winner = torch.where(chosen, overlaps, -1.0).argmax(1)
    chosen &= F.one_hot(winner, truth.shape[1]).transpose(1, 2).bool()
    positive = chosen.any(1)
    owner = chosen.float().argmax(1)
    metric = metric * chosen
    peak = metric.amax(-1, keepdim=True)
    reach = (overlaps * chosen).amax(-1, keepdim=True)
    strength = (metric / (peak + 1e-9) * reach).amax(1)
    targets = F.one_hot(class_ids.gather(1, owner), scores.shape[2]) * strength[..., None]
    assigned = corners.gather(1, owner[..., None].expand(-1, -1, 4))
    return Assignment(positive, owner, assigned, targets * positive[..., None])
