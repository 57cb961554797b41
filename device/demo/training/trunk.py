"""Build what every family shares: a convolutional backbone and a feature pyramid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from .blocks import ConvNormAct, PartialBlock, PooledContext

STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class Widths:
    """Channels of a trunk: of its stages, of the merged scales, and of the heads on it."""

    stem: tuple[int, int] = (8, 16)
    stages: tuple[int, int, int] = (48, 72, 96)
    merged: tuple[int, int, int] = (40, 64, 64)
    down: int = 48
    head: int = 28


BUNDLED = Widths()
"""Of the bundled model's `Trunk`."""
SMALL = Widths((8, 16), (24, 36, 48), (24, 32, 32), 24, 16)
"""Of the `PlainTrunk` of the models that the tests convert."""
SLIM = replace(SMALL, head=14)
"""The same trunk, for heads that would be too large a file."""


class Trunk(nn.Module):
    """Turn images [n,3,s,s] into features [n,c,g,g] at strides 8, 16 and 32.

    c is as in `Widths.merged`. Its stages are cross-stage partial blocks, its pyramid goes down and
    up again.
    """

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        first, second = widths.stem
        low, middle, high = widths.stages
        fine, medium, coarse = widths.merged
        self.stem = nn.Sequential(ConvNormAct(3, first, 3, 2), ConvNormAct(first, second, 3, 2))
        self.stage4 = PartialBlock(second, second, 1)
        self.stage8 = nn.Sequential(ConvNormAct(second, low, 3, 2), PartialBlock(low, low, 1))
        self.stage16 = nn.Sequential(
            ConvNormAct(low, middle, 3, 2), PartialBlock(middle, middle, 2)
        )
        self.stage32 = nn.Sequential(
            ConvNormAct(middle, high, 3, 2), PartialBlock(high, high, 1), PooledContext(high)
        )
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.merge16 = PartialBlock(high + middle, medium, 1, residual=False)
        self.merge8 = PartialBlock(medium + low, fine, 1, residual=False)
        self.down16 = ConvNormAct(fine, fine, 3, 2)
        self.join16 = PartialBlock(fine + medium, medium, 1, residual=False)
        self.down32 = ConvNormAct(medium, widths.down, 3, 2)
        self.join32 = PartialBlock(widths.down + high, coarse, 1, residual=False)

    def stages(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run the backbone alone: its stages at strides 8, 16 and 32."""
        scale8: Tensor = self.stage8(self.stage4(self.stem(images)))
        scale16: Tensor = self.stage16(scale8)
        scale32: Tensor = self.stage32(scale16)
        return scale8, scale16, scale32

    def forward(self, images: Tensor) -> list[Tensor]:
        scale8, scale16, scale32 = self.stages(images)
        merged16 = self.merge16(torch.cat((self.upsample(scale32), scale16), 1))
        merged8 = self.merge8(torch.cat((self.upsample(merged16), scale8), 1))
        joined16 = self.join16(torch.cat((self.down16(merged8), merged16), 1))
        joined32 = self.join32(torch.cat((self.down32(joined16), scale32), 1))
        return [merged8, joined16, joined32]


class PlainTrunk(nn.Module):
    """Do as `Trunk` with few layers and one way down the pyramid.

    The compiler takes three seconds for a detector on it, and nearly twenty for one on a `Trunk` of
    the same widths.
    """

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        first, second = widths.stem
        low, middle, high = widths.stages
        fine, medium, coarse = widths.merged
        self.stem = nn.Sequential(ConvNormAct(3, first, 3, 2), ConvNormAct(first, second, 3, 2))
        self.stage8 = nn.Sequential(ConvNormAct(second, low, 3, 2), ConvNormAct(low, low))
        self.stage16 = nn.Sequential(ConvNormAct(low, middle, 3, 2), ConvNormAct(middle, middle))
        self.stage32 = nn.Sequential(ConvNormAct(middle, high, 3, 2), ConvNormAct(high, high))
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.merge32 = ConvNormAct(high, coarse, 1)
        self.merge16 = ConvNormAct(high + middle, medium)
        self.merge8 = ConvNormAct(medium + low, fine)

    def stages(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run the backbone alone: its stages at strides 8, 16 and 32."""
        scale8: Tensor = self.stage8(self.stem(images))
        scale16: Tensor = self.stage16(scale8)
        scale32: Tensor = self.stage32(scale16)
        return scale8, scale16, scale32

    def forward(self, images: Tensor) -> list[Tensor]:
        scale8, scale16, scale32 = self.stages(images)
        merged16 = self.merge16(torch.cat((self.upsample(scale32), scale16), 1))
        merged8 = self.merge8(torch.cat((self.upsample(merged16), scale8), 1))
        return [merged8, merged16, self.merge32(scale32)]


def cell_centres(size: int) -> tuple[Tensor, Tensor]:
    """Return cell centres [N,2] in cells (x, y) and strides [N,1] of all three scales in order."""
    centres, strides = [], []
    for stride in STRIDES:
        cells = torch.arange(size // stride, dtype=torch.float32) + 0.5
        rows, columns = torch.meshgrid(cells, cells, indexing="ij")
        centres.append(torch.stack((columns, rows), -1).reshape(-1, 2))
        strides.append(torch.full((cells.numel() ** 2, 1), float(stride)))
    return torch.cat(centres), torch.cat(strides)
