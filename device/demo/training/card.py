"""Write a model's card: what it is, how it was made, what was measured.

Run `python -m training.card FAMILY WEIGHTS.pt MODEL.onnx`; the card is MODEL.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import onnx

from .evaluate import evaluate
from .families import FAMILIES, Family
from .train import record_path


def card(family: Family, weights: Path, model: Path, pictures: int) -> dict[str, Any]:
    """Measure `model`, which was exported from `weights`, and return its card."""
    graph = onnx.load(model).graph
    data = model.read_bytes()
    return {
        "model": model.name,
        "what": f"{family.title} of shapes: {', '.join(family.classes)}; ReLU throughout",
        "use": "tests; of no use on photographs",
        "licence": "Apache-2.0: code, pictures and weights were made for this project",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "input": {value.name: _shape(value) for value in graph.input},
        "outputs": {value.name: _shape(value) for value in graph.output},
        "data": "pictures that device/demo/training/shapes.py generates, from the seeds of its "
        "split `train`",
        "training": json.loads(record_path(weights).read_text()),
        "measured": {
            "on": "pictures of the split `test`, the ONNX in onnxruntime",
            **evaluate(family, model, pictures),
        },
    }


def write_card(family: Family, weights: Path, model: Path, pictures: int) -> Path:
    """Write the card beside the model."""
    target = model.with_suffix(".json")
    content = json.dumps(card(family, weights, model, pictures), indent=2)
    target.write_text(f"{content}\n", encoding="utf-8")
    return target


def _shape(value: onnx.ValueInfoProto) -> list[int]:
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def main() -> None:
    """Measure a model and write its card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=sorted(FAMILIES))
    parser.add_argument("weights", type=Path)
    parser.add_argument("onnx", type=Path)
    parser.add_argument("--pictures", type=int, default=300)
    options = parser.parse_args()
    family = FAMILIES[options.family]
    print(write_card(family, options.weights, options.onnx, options.pictures))


if __name__ == "__main__":
    main()
