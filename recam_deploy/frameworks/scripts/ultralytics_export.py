"""Export an Ultralytics checkpoint to ONNX by Ultralytics' own exporter."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from exporting import (
    add_size,
    arguments,
    load_refusal,
    noise,
    output_shapes,
    run,
    write_proof,
)
from ultralytics import YOLO


def main() -> dict[str, str]:
    parser = arguments(str(__doc__))
    add_size(parser)
    options = parser.parse_args()
    version = importlib.metadata.version("ultralytics")
    # Checkpoints of Windows hold paths of its kind, which other systems refuse to make.
    if os.name == "posix":
        pathlib.WindowsPath = pathlib.PosixPath  # type: ignore[misc, assignment]
    try:
        model = YOLO(options.model)
    except Exception as error:
        refusal = load_refusal(error, f"Ultralytics {version}")
        if refusal is None:
            raise
        raise refusal from error
    # Without --imgsz the exporter takes the size that the model was trained with.
    size = {"imgsz": options.imgsz} if options.imgsz else {}
    made = model.export(
        format="onnx", opset=17, dynamic=False, simplify=False, batch=1, device="cpu", **size
    )
    Path(made).replace(options.output)
    prove(model.model, options.output)
    return {name: importlib.metadata.version(name) for name in ("ultralytics", "torch", "onnx")}


def prove(network: Any, exported: Path) -> None:
    """Keep what the network itself computes. One that sorts its own detections has no proof: on
    noise, where scores are nearly equal, their order is left to chance."""
    if getattr(network.model[-1], "end2end", False):
        return
    import onnx

    sides = onnx.load(exported).graph.input[0].type.tensor_type.shape.dim
    picture = noise(sides[2].dim_value, sides[3].dim_value)
    with torch.no_grad():
        computed = list(tensors(network.cpu().float().eval()(torch.from_numpy(picture))))
    outputs = []
    for shape in output_shapes(exported):
        fitting = [array for array in computed if tuple(array.shape) == shape]
        if not fitting:
            return
        outputs.append(fitting[0].numpy())
    write_proof(picture, outputs)


def tensors(value: Any) -> Iterator[Any]:
    """All tensors of nested tuples, the first first."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors(part)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


if __name__ == "__main__":
    run(main)
