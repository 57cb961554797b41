"""A small anchor-free detector: convolutional backbone, two-way feature pyramid, DFL head.

The head follows the layout of YOLO11's: at strides 8, 16 and 32 a box branch of 4 x 16 bins
(distribution focal loss, Li et al. 2020) and a class branch of logits. Only convolutions, batch
normalisation, ReLU, max pooling, nearest upsampling, addition and concatenation are used, which
INT8 accelerators fuse and quantize well. Run the module to print parameters and operations.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .shapes import CLASSES

BINS = 16
STRIDES = (8, 16, 32)


class ConvNormAct(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
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


def _last(inputs: int, outputs: int, bias: float) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 1)
    if conv.bias is not None:
        nn.init.constant_(conv.bias, bias)
    return conv


class Head(nn.Module):
    """Box branches `cv2` and class branches `cv3`, one of each a scale."""

    def __init__(self, channels: tuple[int, int, int], classes: int, width: int = 28) -> None:
        super().__init__()
        self.cv2 = nn.ModuleList(
            nn.Sequential(
                ConvNormAct(inputs, width),
                ConvNormAct(width, width),
                _last(width, 4 * BINS, 1.0),
            )
            for inputs in channels
        )
        self.cv3 = nn.ModuleList(
            nn.Sequential(
                ConvNormAct(inputs, width),
                ConvNormAct(width, width, 1),
                _last(width, classes, -5.0),  # shapes are rare among the cells
            )
            for inputs in channels
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        return [
            torch.cat((box(x), scores(x)), 1)
            for box, scores, x in zip(self.cv2, self.cv3, features, strict=True)
        ]


class Detector(nn.Module):
    """Images [n,3,320,320] to three maps [n,64+classes,g,g], g = 40, 20, 10."""

    def __init__(self, classes: int = len(CLASSES)) -> None:
        super().__init__()
        self.classes = classes
        self.stem = nn.Sequential(ConvNormAct(3, 8, 3, 2), ConvNormAct(8, 16, 3, 2))
        self.stage4 = PartialBlock(16, 16, 1)
        self.stage8 = nn.Sequential(ConvNormAct(16, 48, 3, 2), PartialBlock(48, 48, 1))
        self.stage16 = nn.Sequential(ConvNormAct(48, 72, 3, 2), PartialBlock(72, 72, 2))
        self.stage32 = nn.Sequential(
            ConvNormAct(72, 96, 3, 2), PartialBlock(96, 96, 1), PooledContext(96)
        )
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.merge16 = PartialBlock(96 + 72, 64, 1, residual=False)
        self.merge8 = PartialBlock(64 + 48, 40, 1, residual=False)
        self.down16 = ConvNormAct(40, 40, 3, 2)
        self.join16 = PartialBlock(40 + 64, 64, 1, residual=False)
        self.down32 = ConvNormAct(64, 48, 3, 2)
        self.join32 = PartialBlock(48 + 96, 64, 1, residual=False)
        self.head = Head((40, 64, 64), classes)

    def forward(self, images: Tensor) -> list[Tensor]:
        scale8 = self.stage8(self.stage4(self.stem(images)))
        scale16 = self.stage16(scale8)
        scale32 = self.stage32(scale16)
        merged16 = self.merge16(torch.cat((self.upsample(scale32), scale16), 1))
        merged8 = self.merge8(torch.cat((self.upsample(merged16), scale8), 1))
        joined16 = self.join16(torch.cat((self.down16(merged8), merged16), 1))
        joined32 = self.join32(torch.cat((self.down32(joined16), scale32), 1))
        maps: list[Tensor] = self.head([merged8, joined16, joined32])
        return maps


def fold_normalisation(network: nn.Module) -> None:
    """Fold every batch normalisation of an evaluated network into its convolution."""
    for module in network.modules():
        if isinstance(module, ConvNormAct):
            module.fold()


def anchor_centres(size: int) -> tuple[Tensor, Tensor]:
    """Cell centres [N,2] in cells (x, y) and strides [N,1] of all three scales in order."""
    centres, strides = [], []
    for stride in STRIDES:
        cells = torch.arange(size // stride, dtype=torch.float32) + 0.5
        rows, columns = torch.meshgrid(cells, cells, indexing="ij")
        centres.append(torch.stack((columns, rows), -1).reshape(-1, 2))
        strides.append(torch.full((cells.numel() ** 2, 1), float(stride)))
    return torch.cat(centres), torch.cat(strides)


def main() -> None:
    """Print the number of parameters and of multiply-accumulates at 320 x 320."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    network = Detector().eval()
    operations = 0

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        nonlocal operations
        if isinstance(module, nn.Conv2d):
            operations += module.weight[0].numel() * output.numel()

    for module in network.modules():
        module.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, 3, 320, 320))
    parameters = sum(weight.numel() for weight in network.parameters())
    print(f"{parameters} parameters, {operations / 1e6:.1f} million multiply-accumulates")


if __name__ == "__main__":
    main()
