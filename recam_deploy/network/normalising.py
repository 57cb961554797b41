"""Bring an ONNX model to the one form in which the rest of recam reads it.

Exporters write one network in many ways: half precision, functions of their own, operators of many
opsets. Each step here is taken only where a model needs it, and leaves the names of tensors alone;
a model that needs none stays as it is, byte for byte.
"""

from __future__ import annotations

import onnx
from onnx import version_converter

from ..errors import UnsupportedModelError
from .functions import expand, expandable, inline_own
from .onnx_file import first_line, opset_of
from .precision import has_other_floats, widen
from .subgraphs import all_graphs

OLDEST_OPSET = 11
"""Older models are raised to this: the compiler does not know Upsample's and Slice's attributes."""
WIDENED = "floats widened"
"""The step after which a model computes more precisely than its file."""


def normalise(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Return `model` in the form that recam reads, and the names of the steps that it took.

    Raises UnsupportedModelError where a step is needed and impossible.
    """
    _tidy(model)
    steps: list[str] = []
    if model.functions:
        model = inline_own(model)
        steps.append("functions inlined")
    opset = opset_of(model)
    if 0 < opset < OLDEST_OPSET:
        model = _raised(model, opset)
        steps.append(f"opset {opset} raised to {OLDEST_OPSET}")
    if has_other_floats(model):
        model = widen(model)
        steps.append(WIDENED)
    if operators := expandable(model):
        model = expand(model, operators)
        steps.append(f"{', '.join(operators)} expanded")
    return model, tuple(steps)


def _tidy(model: onnx.ModelProto) -> None:
    """Write what means the same in one way, in place.

    Weights are no inputs, as IR 3 has them and some exporters to this day: recam feeds the image
    alone. ONNX's own domain has two names.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    images = [value for value in model.graph.input if value.name not in weights]
    if len(images) < len(model.graph.input):
        kept = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in images]
        del model.graph.input[:]
        model.graph.input.extend(kept)
        model.ir_version = max(model.ir_version, 4)
    for entry in model.opset_import:
        if entry.domain == "ai.onnx":
            entry.domain = ""
    for graph in all_graphs(model.graph):
        for node in graph.node:
            if node.domain == "ai.onnx":
                node.domain = ""


def _raised(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Convert an old model to OLDEST_OPSET by onnx's own converter."""
    try:
        return version_converter.convert_version(model, OLDEST_OPSET)
    except Exception as error:
        raise UnsupportedModelError(
            f"the model is of opset {opset}, and onnx cannot convert it to {OLDEST_OPSET}: "
            f"{first_line(error)}",
            "Export it again with a newer exporter and opset=17.",
        ) from error
