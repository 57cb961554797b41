"""Build networks from blocks: convolutions with normalisation, and blocks of them.

Only convolutions, batch normalisation, ReLU, max pooling, nearest upsampling, addition and
concatenation are used, which INT8 accelerators fuse and quantize well.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class ConvNormAct(nn.Module):
    """Convolution, in `groups` of channels, then batch normalisation and ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.norm: nn.Module = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.act(self.norm(self.conv(x)))
        return result

    def fold(self) -> None:
        """Put the normalisation into the convolution's weights (evaluation only)."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class PartialBlock(nn.Module):
    """Cross-stage partial block (Wang et al. 2019) around one or two residual convolutions."""

    def __init__(self, inputs: int, outputs: int, depth: int, residual: bool = True) -> None:
        super().__init__()
        half = outputs // 2
        self.straight = ConvNormAct(inputs, half, 1)
        self.entry = ConvNormAct(inputs, half, 1)
        self.steps = nn.ModuleList(ConvNormAct(half, half) for _ in range(depth))
        self.exit = ConvNormAct(half * 2, outputs, 1)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.entry(x)
        for step in self.steps:
            y = y + step(y) if self.residual else step(y)
        result: Tensor = self.exit(torch.cat((self.straight(x), y), 1))
        return result


class PooledContext(nn.Module):
    """Three chained max poolings seen together (spatial pyramid pooling)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.entry = ConvNormAct(channels, half, 1)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.exit = ConvNormAct(half * 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        levels = [self.entry(x)]
        for _ in range(3):
            levels.append(self.pool(levels[-1]))
        result: Tensor = self.exit(torch.cat(levels, 1))
        return result


def fold_normalisation(network: nn.Module) -> None:
    """Fold every batch normalisation of an evaluated network into its convolution."""
    for module in network.modules():
        if isinstance(module, ConvNormAct):
            module.fold()
