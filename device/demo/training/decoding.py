"""Decode a head inside the exported graph, as Ultralytics' exporters lay it out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .dataset import EXTREMES
from .families import POINT_VALUES, Family, Network
from .heads import ANCHORS, BINS, SIDES, Levels, join
from .trunk import STRIDES, cell_centres

MOST_DETECTIONS = 300
"""Rows of YOLO26's output."""


class Distances(nn.Module):
    """Compute the expected distances of the sides by a fixed convolution.

    [n,64,N] logits become [n,4,N] cells.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(BINS, 1, 1, bias=False).requires_grad_(False)
        self.conv.weight.data[:] = torch.arange(BINS, dtype=torch.float32).view(1, BINS, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        bins = x.view(1, SIDES, BINS, -1).transpose(2, 1).softmax(1)
        result: Tensor = self.conv(bins)
        return result.view(1, SIDES, -1)


class Decoded(nn.Module):
    """A trained network followed by its decoding, for a batch of one.

    Its submodules have the names that Ultralytics' have, so the graph's tensors have them too.
    """

    centres: Tensor
    strides: Tensor

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.family = network.family
        self.model = nn.ModuleDict({"0": network.trunk, str(self.family.layer): network.head})
        self.network = [network]  # in a list, so that its modules keep the names above
        self.dfl = Distances()
        centres, strides = cell_centres(self.family.size)
        self.register_buffer("centres", centres.T.unsqueeze(0).contiguous())
        self.register_buffer("strides", strides.T.unsqueeze(0).contiguous())

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        (network,) = self.network
        found: Any = network.head(network.features(images))
        if self.family.task == "classify":
            return (found.softmax(1),)
        if self.family.style == "anchors":
            return (anchored_rows(found),)
        if self.family.style == "one-to-one":
            return (self._ranked(found),)
        rows = self._rows(found)
        return (rows,) if found.prototypes is None else (rows, found.prototypes)

    def _rows(self, levels: Levels) -> Tensor:
        """Return [1,4+nc,N] of boxes and scores, and what the task adds.

        A box is its centre and size in pixels.
        """
        bins, logits = _boxes_and_logits(levels, self.family)
        boxes = self._boxes(self.dfl(bins), centred=True)
        parts = [boxes, logits.sigmoid()]
        if levels.extra:
            extra = join(levels.extra)
            parts.append(self._points(extra) if self.family.task == "pose" else extra)
        return torch.cat(parts, 1)

    def _boxes(self, distances: Tensor, *, centred: bool) -> Tensor:
        left_top, right_bottom = torch.split(distances, [2, 2], 1)
        low, high = self.centres - left_top, self.centres + right_bottom
        ends = ((low + high) / 2, high - low) if centred else (low, high)
        return torch.cat(ends, 1) * self.strides

    def _points(self, extra: Tensor) -> Tensor:
        """Return x and y in pixels, and visibility from 0 to 1, of each key point: [1,3K,N]."""
        values = extra.view(1, EXTREMES, POINT_VALUES, -1)
        places = (values[:, :, :2] * 2.0 + (self.centres - 0.5)) * self.strides
        seen = values[:, :, 2:].sigmoid()
        return torch.cat((places, seen), 2).view(1, EXTREMES * POINT_VALUES, -1)

    def _ranked(self, levels: Levels) -> Tensor:
        """Return the best boxes with score and class, [1,300,6], without suppression."""
        boxes = self._boxes(join(levels.boxes), centred=False).transpose(1, 2)
        scores = join(levels.logits).sigmoid().transpose(1, 2)
        classes = scores.shape[2]
        cells = scores.amax(-1).topk(MOST_DETECTIONS)[1].unsqueeze(-1)
        best = scores.gather(1, cells.repeat(1, 1, classes)).flatten(1).topk(MOST_DETECTIONS)
        rows = cells.gather(1, (best[1] // classes).unsqueeze(-1))
        kept = boxes.gather(1, rows.repeat(1, 1, SIDES))
        kinds = (best[1] % classes).unsqueeze(-1).float()
        return torch.cat((kept, best[0].unsqueeze(-1), kinds), -1)


def _boxes_and_logits(levels: Levels, family: Family) -> tuple[Tensor, Tensor]:
    """Join all boxes and all class logits; YOLOv8's exports join both a scale first."""
    if family.style == "yolov8":
        pairs = zip(levels.boxes, levels.logits, strict=True)
        both = join([torch.cat(pair, 1) for pair in pairs])
        bins, logits = torch.split(both, [SIDES * BINS, len(family.classes)], 1)
        return bins, logits
    return join(levels.boxes), join(levels.logits)


def anchored_rows(levels: list[Tensor]) -> Tensor:
    """Turn YOLOv5's maps [1,3,g,g,5+nc] into [1,3N,5+nc].

    A row is the box in pixels, the objectness and the class scores.
    """
    rows = []
    for raw, stride, sizes in zip(levels, STRIDES, ANCHORS, strict=True):
        grid, width = raw.shape[2], raw.shape[4]
        across = torch.arange(grid, dtype=torch.float32)
        down, across = torch.meshgrid(across, across, indexing="ij")
        corner = torch.stack((across, down), -1).view(1, 1, grid, grid, 2) - 0.5
        anchor = torch.tensor(sizes).view(1, 3, 1, 1, 2)
        place, size, scores = torch.split(raw.sigmoid(), [2, 2, width - SIDES], 4)
        place = (place * 2 + corner) * stride
        size = (size * 2) ** 2 * anchor
        rows.append(torch.cat((place, size, scores), 4).view(1, -1, width))
    return torch.cat(rows, 1)
