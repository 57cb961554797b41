"""Train a family's network on cached generated pictures.

Run `python -m training.train FAMILY CACHE.npz WEIGHTS.pt`. The weights saved are a moving average;
they are saved every `--save-every` steps too, so that a run can be looked at while it goes on.
When it is done, WEIGHTS.json records how it went.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .dataset import Examples, augment, load
from .families import FAMILIES, Criterion, Family, Network
from .loss import Truth


@dataclass(frozen=True)
class Schedule:
    """Choose how long to train and how.

    `minutes` ends sooner, annealed; `start` are weights to begin with, as far as names and shapes
    agree.
    """

    steps: int
    minutes: float = math.inf
    batch: int = 32
    rate: float = 3e-3
    seed: int = 1
    full_precision: bool = False
    save_every: int = 200
    start: Path | None = None


class MovingAverage:
    """Average a network's weights and statistics, exponentially."""

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
    examples: Examples, size: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Truth]]:
    """Yield shuffled, augmented batches without end: images [n,3,s,s] from 0 to 1, and the truth.

    Raises ValueError where there are fewer examples than a batch takes.
    """
    if len(examples) < size:
        raise ValueError(f"{len(examples)} examples do not fill a batch of {size}")
    while True:
        order = rng.permutation(len(examples))
        for start in range(0, len(order) - size + 1, size):
            batch = augment(examples.chosen(order[start : start + size]), rng)
            images = torch.from_numpy(batch.pixels).permute(0, 3, 1, 2).float().div_(255)
            arrays = (batch.boxes, batch.points, batch.instances)
            truth = Truth(*(torch.from_numpy(array) for array in arrays))
            yield images.contiguous(memory_format=torch.channels_last), truth


def learning_rate(step: int, progress: float, peak: float) -> float:
    """Return the learning rate at a step.

    It rises over 150 steps, then falls as a cosine of progress 0..1 to a hundredth of the peak.
    """
    warm = min(1.0, (step + 1) / 150)
    return peak * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def record_path(weights: Path) -> Path:
    """Return the file that records how `weights` were trained."""
    return weights.with_suffix(".json")


def train(family: Family, examples: Examples, weights: Path, schedule: Schedule) -> None:
    """Train, and save the averaged weights and the record."""
    torch.manual_seed(schedule.seed)
    network = Network(family).train()
    if schedule.start is not None:
        _begin_with(network, schedule.start)
    average = MovingAverage(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=schedule.rate, weight_decay=0.01)
    criterion = Criterion(family)
    begun, begun_cpu = time.monotonic(), time.process_time()
    source = batches(examples, schedule.batch, np.random.default_rng(schedule.seed))
    for step, (images, truth) in enumerate(source, 1):
        minutes = (time.monotonic() - begun) / 60
        progress = min(1.0, max(step / schedule.steps, minutes / schedule.minutes))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step - 1, progress, schedule.rate)
        with torch.autocast("cpu", torch.bfloat16, enabled=not schedule.full_precision):
            parts = criterion(network, images, truth)
        optimizer.zero_grad()
        torch.autograd.backward(torch.stack(list(parts.values())).sum())
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        average.update(network)
        if step % 25 == 0:
            shown = " ".join(f"{name} {part.item():.3f}" for name, part in parts.items())
            print(f"step {step} of {schedule.steps}, {minutes:.1f} min: {shown}", flush=True)
        if step % schedule.save_every == 0 or progress >= 1:
            torch.save(average.network.state_dict(), weights)
        if progress >= 1:
            break
    record = {
        "steps": step,
        "batch": schedule.batch,
        "rate": schedule.rate,
        "seed": schedule.seed,
        "pictures": len(examples),
        "begun_with": schedule.start.name if schedule.start else "random weights",
        "seconds": round(time.monotonic() - begun),
        "cpu_seconds": round(time.process_time() - begun_cpu),
        "torch": torch.__version__,
    }
    record_path(weights).write_text(json.dumps(record, indent=2))


def _begin_with(network: Network, weights: Path) -> None:
    """Take over every tensor of `weights` that the network has in the same shape."""
    own = network.state_dict()
    saved = torch.load(weights, map_location="cpu", weights_only=True)
    fitting = {n: v for n, v in saved.items() if n in own and own[n].shape == v.shape}
    network.load_state_dict(own | fitting)
    print(f"begun with {len(fitting)} of {len(own)} tensors of {weights}", flush=True)


def main() -> None:
    """Train and save the averaged weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=sorted(FAMILIES))
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
    parser.add_argument("--start", type=Path, help="weights to begin with")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    schedule = Schedule(
        options.steps,
        options.minutes,
        options.batch,
        options.rate,
        options.seed,
        options.full_precision,
        options.save_every,
        options.start,
    )
    train(FAMILIES[options.family], load(options.cache), options.weights, schedule)


if __name__ == "__main__":
    main()
