"""Train a YOLOv5 head: an anchor near a shape's size learns it at three cells."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .assignment import iou
from .heads import ANCHORS, SIDES
from .loss import Parts, Truth
from .trunk import STRIDES

_MOST_RATIO = 2.5
"""Between the sides of an anchor and of a shape that it learns."""
_CELL_OFFSETS = torch.tensor([[0, 0], [-1, 0], [0, -1], [1, 0], [0, 1]])


class AnchoredLoss:
    """Compute the loss of a YOLOv5 head's raw maps.

    The objectness of a cell that learns nothing is 0, else how well its box fits. All three parts
    are means over the cells that learn, so the many empty cells do not drown the few others, and
    scores come out high.
    """

    def __call__(self, levels: Sequence[Tensor], truth: Truth) -> Parts:
        """Return the parts of the loss, each weighted as it is to be added."""
        count = 0
        sums = {name: torch.zeros(()) for name in ("box", "object", "class")}
        for raw, stride, anchors in zip(levels, STRIDES, ANCHORS, strict=True):
            sizes = torch.tensor(anchors) / stride
            rows, anchor, cells = _learners(truth.boxes, sizes, stride, raw.shape[2])
            image = rows[:, 0].long()
            own = raw[image, anchor, cells[:, 1], cells[:, 0]]
            centre = own[:, :2].sigmoid() * 2 - 0.5 + cells
            half = (own[:, 2:4].sigmoid() * 2).square() * sizes[anchor] / 2
            overlap = iou(torch.cat((centre - half, centre + half), -1), rows[:, 2:], True)
            wanted = torch.zeros(raw.shape[:-1])
            fit = overlap.detach().clamp(min=0)
            wanted[image, anchor, cells[:, 1], cells[:, 0]] = fit
            classes = F.one_hot(rows[:, 1].long(), raw.shape[-1] - SIDES - 1).float()
            sums["box"] = sums["box"] + (1 - overlap).sum()
            sums["object"] = sums["object"] + F.binary_cross_entropy_with_logits(
                raw[..., SIDES], wanted, reduction="sum"
            )
            sums["class"] = sums["class"] + F.binary_cross_entropy_with_logits(
                own[:, SIDES + 1 :], classes, reduction="sum"
            )
            count += len(rows)
        weights = {"box": 5.0, "object": 1.0, "class": 1.0}
        return {name: weights[name] * sums[name] / max(1, count) for name in sums}


def _learners(
    boxes: Tensor, sizes: Tensor, stride: int, grid: int
) -> tuple[Tensor, Tensor, Tensor]:
    """List who learns what on one scale.

    Returns L rows of image, class and corners in cells; anchors [L]; and cells [L,2] (x, y).
    `boxes` is the truth [n,M,5], `sizes` the anchors [3,2] in cells.
    """
    image, row = (boxes[..., 0] >= 0).nonzero(as_tuple=True)
    shapes = boxes[image, row]
    corners = shapes[:, 1:] / stride
    rows = torch.cat((image[:, None].float(), shapes[:, :1], corners), 1)
    ratio = (corners[:, 2:] - corners[:, :2])[:, None] / sizes
    near = torch.maximum(ratio, 1 / ratio.clamp(min=1e-3)).amax(-1) < _MOST_RATIO
    chosen, anchor = near.nonzero(as_tuple=True)
    rows = rows[chosen]
    centre = (rows[:, 2:4] + rows[:, 4:6]) / 2
    # The cell of the centre and its nearer neighbours across and down.
    cells = centre.floor()[:, None] + _CELL_OFFSETS
    reach = (cells + 0.5 - centre[:, None]).abs().amax(-1) < 1.0
    on_map = ((cells >= 0) & (cells < grid)).all(-1)
    taken, place = (reach & on_map).nonzero(as_tuple=True)
    return rows[taken], anchor[taken], cells[taken, place].long()
