"""Make the models that the tests convert, one a family, each with its card.

Run `python -m training.models tests/models --work FOLDER`. The YOLO11 detector is trained first;
the others begin with its trunk. `--only FAMILY` makes one again; pictures and weights that are in
the working folder already are used as they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .card import write_card
from .dataset import Kind, build, load
from .export import export
from .families import FAMILIES, Family
from .shapes import SEEDS
from .train import Schedule, record_path, train

_FIRST = "yolo11"
_STEPS = {"yolo11": 3000, "yolo11-cls": 1500, "yolo26": 2500, "yolov5": 2500}
"""YOLO26's second pair of branches learns slowly: one cell a shape teaches it. YOLOv5's objectness
alone is the camera's score, so it has to tell shapes from what only looks like one."""
_FURTHER_STEPS = 1000
"""Of the others that begin with the first one's trunk."""
_PICTURES = 7000
_CROPS = 5000


def schedule_of(family: Family, work: Path) -> Schedule:
    """Choose how long a family is trained, and what it begins with."""
    steps = _STEPS.get(family.name, _FURTHER_STEPS)
    if family.task == "classify":
        return Schedule(steps, rate=3e-3)
    if family.name == _FIRST:
        return Schedule(steps, batch=16, rate=3e-3)
    return Schedule(steps, batch=16, rate=2e-3, start=work / f"{_FIRST}.pt")


def make(family: Family, models: Path, work: Path, processes: int) -> Path:
    """Make one model, and return its path."""
    crops = family.task == "classify"
    cache = work / ("crops.npz" if crops else "pictures.npz")
    weights = work / f"{family.name}.pt"
    if not cache.exists():
        kind = Kind(family.size, scale=0.5, crops=crops)
        build(cache, SEEDS["train"], _CROPS if crops else _PICTURES, kind, processes)
    if not record_path(weights).exists():
        train(family, load(cache), weights, schedule_of(family, work))
    model = models / f"{family.name}-shapes-{family.size}.onnx"
    export(family, weights, model)
    write_card(family, weights, model, pictures=300)
    return model


def main() -> None:
    """Make all models, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", choices=sorted(set(FAMILIES) - {"bundled"}))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    names = [options.only] if options.only else [name for name in FAMILIES if name != "bundled"]
    for name in names:
        print(make(FAMILIES[name], options.models, options.work, options.threads), flush=True)


if __name__ == "__main__":
    main()
