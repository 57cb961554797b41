"""Train the shapes detector on cached generated pictures.

Run `python -m training.train CACHE.npz WEIGHTS.pt`. The weights saved are a moving average;
they are saved every `--save-every` steps too, so that a run can be looked at while it goes on.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .dataset import INPUT_SIZE, Boxes, Pixels, augment, load
from .loss import DetectionLoss
from .network import Detector


class MovingAverage:
    """Exponential moving average of a network's weights and statistics."""

    def __init__(self, network: nn.Module, decay: float = 0.998) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.steps = 0

    def update(self, network: nn.Module) -> None:
        """Blend in the weights after a step; the decay grows from zero over the first steps."""
        self.steps += 1
        decay = self.decay * (1 - math.exp(-self.steps / 300))
        current = network.state_dict()
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[name], 1 - decay)


def batches(
    pixels: Pixels, boxes: Boxes, size: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless shuffled, augmented batches: images [n,3,320,320] 0..1 and truth [n,8,5]."""
    while True:
        order = rng.permutation(len(pixels))
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            images, truth = augment(pixels[chosen], boxes[chosen], rng)
            tensor = torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255)
            yield tensor.contiguous(memory_format=torch.channels_last), torch.from_numpy(truth)


def learning_rate(step: int, progress: float, peak: float) -> float:
    """Linear warm-up over 150 steps, then a cosine of progress 0..1 to a hundredth of the peak."""
    warm = min(1.0, (step + 1) / 150)
    return peak * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def main() -> None:
    """Train and save the averaged weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--minutes", type=float, default=math.inf, help="end sooner, annealed")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--full-precision", action="store_true", help="float32 in place of BF16")
    parser.add_argument("--save-every", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    pixels, boxes = load(options.cache)
    network = Detector().train()
    average = MovingAverage(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.rate, weight_decay=0.01)
    criterion = DetectionLoss(INPUT_SIZE)
    start = time.monotonic()
    source = batches(pixels, boxes, options.batch, rng)
    for step, (images, truth) in enumerate(source):
        minutes = (time.monotonic() - start) / 60
        progress = min(1.0, max(step / options.steps, minutes / options.minutes))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, progress, options.rate)
        with torch.autocast("cpu", torch.bfloat16, enabled=not options.full_precision):
            maps = network(images)
        loss, parts = criterion([level.float() for level in maps], truth)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        average.update(network)
        if (step + 1) % 25 == 0:
            shown = " ".join(f"{name} {value:.3f}" for name, value in parts.items())
            print(f"step {step + 1} of {options.steps}, {minutes:.1f} min: {shown}", flush=True)
        if (step + 1) % options.save_every == 0 or progress >= 1:
            torch.save(average.network.state_dict(), options.weights)
        if progress >= 1:
            break


if __name__ == "__main__":
    main()
