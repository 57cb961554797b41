"""Bring an ONNX model to the one form in which the rest of recam reads it.

Exporters write one network in many ways: half precision, functions of their own, operators of many
opsets. Each step here is taken only where a model needs it, and leaves the names of tensors alone;
a model that needs none stays as it is, byte for byte.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper, version_converter

from ..errors import UnsupportedModelError
from .functions import expand, expandable, inline_own
from .onnx_file import first_line, opset_of
from .precision import has_other_floats, widen
from .subgraphs import all_graphs

OLDEST_OPSET = 11
"""Older models are raised to this: the compiler does not know Upsample's and Slice's attributes."""
WIDENED = "floats widened"
"""The step after which a model computes more precisely than its file."""

_OLD_COORDINATES = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
_NUMPY_BROADCAST = 7
_BINARY = frozenset({"Add", "Sub", "Mul", "Div", "Pow", "PRelu", "And", "Or", "Greater", "Less"})
_DEEPEST = 8
"""The body of a function may hold others."""


def normalise(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Return `model` in the form that recam reads, and the names of the steps that it took.

    Raises UnsupportedModelError where a step is needed and impossible.
    """
    steps: list[str] = []
    opset = opset_of(model)
    if 0 < opset < OLDEST_OPSET:
        model = _raised(model, opset)
        steps.append(f"opset {opset} raised to {OLDEST_OPSET}")
    _tidy(model)
    if model.graph.sparse_initializer:
        _make_dense(model.graph)
        steps.append("sparse weights made dense")
    if model.functions:
        model = inline_own(model)
        steps.append("functions inlined")
    if has_other_floats(model):
        model = widen(model)
        steps.append(WIDENED)
    for _ in range(_DEEPEST):
        if operators := expandable(model):
            model = expand(model, operators)
            steps.append(f"{', '.join(operators)} expanded")
        if _without_idle_sums(model):
            steps.append("sums over no axes left out")
    return model, tuple(dict.fromkeys(steps))


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


def _make_dense(graph: onnx.GraphProto) -> None:
    """Write sparse weights as plain ones, in place: the compiler reads no others."""
    for sparse in graph.sparse_initializer:
        values, places = (numpy_helper.to_array(t) for t in (sparse.values, sparse.indices))
        dense = np.zeros(sparse.dims, values.dtype)
        # A place is a number in row-major order, or one for each axis.
        if places.ndim == 1:
            dense.ravel()[places] = values
        else:
            dense[tuple(places.T)] = values
        graph.initializer.append(numpy_helper.from_array(dense, sparse.values.name))
    del graph.sparse_initializer[:]


def _without_idle_sums(model: onnx.ModelProto) -> bool:
    """Turn sums over no axes that keep their input into Identity, in place; say if there were any.

    The compiler overlooks `noop_with_empty_axes`, and sums over all axes.
    """
    found = False
    for node in model.graph.node:
        keeps = any(a.name == "noop_with_empty_axes" and a.i for a in node.attribute)
        if node.op_type == "ReduceSum" and keeps and not any(node.input[1:]):
            node.op_type = "Identity"
            del node.attribute[:], node.input[1:]
            found = True
    return found


def _raised(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Convert an old model to OLDEST_OPSET by onnx's own converter.

    That leaves Resize, which Upsample becomes, with the coordinates that are new in opset 11.
    """
    try:
        if opset < _NUMPY_BROADCAST:
            model = _broadcast_as_numpy(model)
        raised = version_converter.convert_version(model, OLDEST_OPSET)
        for node in raised.graph.node:
            if node.op_type == "Resize":
                kept = [a for a in node.attribute if a.name not in _OLD_COORDINATES]
                kept += [helper.make_attribute(*pair) for pair in _OLD_COORDINATES.items()]
                del node.attribute[:]
                node.attribute.extend(kept)
        return raised
    except Exception as error:
        raise UnsupportedModelError(
            f"the model is of opset {opset}, and onnx cannot convert it to {OLDEST_OPSET}: "
            f"{first_line(error)}",
            "Export it again with a newer exporter and opset=17.",
        ) from error


def _broadcast_as_numpy(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give weights that are added or multiplied from some `axis` on the axes that follow it.

    onnx's converter puts ones before a weight's axes instead. Return a copy.
    """
    typed = onnx.shape_inference.infer_shapes(model)
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in (*typed.graph.value_info, *typed.graph.input)
    }
    weights = {tensor.name: tensor for tensor in typed.graph.initializer}
    inputs = {value.name: value for value in typed.graph.input}
    for node in typed.graph.node:
        axis = next((a for a in node.attribute if a.name == "axis"), None)
        if node.op_type not in _BINARY or axis is None or node.input[1] not in weights:
            continue
        weight, rank = weights[node.input[1]], ranks.get(node.input[0], 0)
        behind = rank - axis.i % max(1, rank) - len(weight.dims)
        if behind > 0:
            copy = onnx.TensorProto()
            copy.CopyFrom(weight)
            copy.name = f"{node.output[0]}_{weight.name}"
            copy.dims.extend([1] * behind)
            typed.graph.initializer.append(copy)
            if node.input[1] in inputs:
                value = helper.make_tensor_value_info(copy.name, copy.data_type, copy.dims)
                typed.graph.input.append(value)
            node.input[1] = copy.name
        node.attribute.remove(axis)
    return typed
