"""Trained models for another input size: they are fully convolutional up to their heads."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx.utils import Extractor


def write_resized(source: Path, path: Path, side: int) -> Path:
    """Write `source` for a square input of `side` pixels.

    A detector is cut at its heads, whose decoding holds the old size's anchors; a classifier, which
    ends in a global pool, stays whole.
    """
    whole = onnx.shape_inference.infer_shapes(onnx.load(source))
    heads = [f"{head}_output_0" for head in _heads(whole)]
    model = Extractor(whole).extract_model(["images"], heads) if heads else whole
    image = model.graph.input[0].type.tensor_type.shape.dim
    before = image[2].dim_value
    image[2].dim_value = image[3].dim_value = side
    if heads:
        for output in model.graph.output:
            output.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    model = onnx.shape_inference.infer_shapes(model)
    properties = [(entry.key, entry.value) for entry in whole.metadata_props]
    del model.metadata_props[:]
    for key, value in properties:
        value = value.replace(f"{before}, {before}", f"{side}, {side}")
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    return path


def _heads(model: onnx.ModelProto) -> list[str]:
    """Return the last convolutions of a detector, a box and a class one of each stride in turn."""
    names = {node.name for node in model.graph.node if node.op_type == "Conv"}
    ends = [f"cv{kind}.{scale}/cv{kind}.{scale}.2/Conv" for scale in range(3) for kind in (2, 3)]
    return [next(name for name in names if name.endswith(end)) for end in ends if _any(names, end)]


def _any(names: set[str], end: str) -> bool:
    return any(name.endswith(end) for name in names)
