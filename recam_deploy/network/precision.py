"""Widen a model's half and double precision to float32.

The compiler reads every weight as float32 and drops Cast nodes, and recam's reference must compute
what it computes. Widening half precision changes no weight; double precision is rounded.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .subgraphs import all_graphs, rename, tensors_of

_WIDENED = frozenset({TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE})
_TYPE_ATTRIBUTES = frozenset({"to", "dtype", "output_dtype", "stash_type"})


def has_other_floats(model: onnx.ModelProto) -> bool:
    """Say whether a weight, or a Cast, of a model is of half or double precision."""
    return any(tensor.data_type in _WIDENED for tensor in tensors_of(model)) or any(
        attribute.i in _WIDENED for attribute in _type_attributes(model.graph)
    )


def widen(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with all its floats in float32, and without the Casts that this leaves idle.

    The tensors that its outputs are keep their names. Functions must be inlined before.
    """
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    for tensor in tensors_of(wide):
        if tensor.data_type in _WIDENED:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for attribute in _type_attributes(wide.graph):
        if attribute.i in _WIDENED:
            attribute.i = TensorProto.FLOAT
    for graph in all_graphs(wide.graph):
        del graph.value_info[:]
        for value in (*graph.input, *graph.output):
            if value.type.tensor_type.elem_type in _WIDENED:
                value.type.tensor_type.elem_type = TensorProto.FLOAT
    return without_idle_casts(wide)


def without_idle_casts(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` without the Casts of float32 to float32 in its outermost graph."""
    typed = onnx.shape_inference.infer_shapes(model, data_prop=True)
    _drop_idle_casts(typed.graph)
    return typed


def _type_attributes(graph: onnx.GraphProto) -> Iterator[onnx.AttributeProto]:
    for inner in all_graphs(graph):
        for node in inner.node:
            yield from (a for a in node.attribute if a.name in _TYPE_ATTRIBUTES)


def _drop_idle_casts(graph: onnx.GraphProto) -> None:
    """Remove Casts of float32 to float32 from the outermost graph, in place."""
    floats = {
        value.name
        for value in (*graph.value_info, *graph.input, *graph.output)
        if value.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    floats.update(t.name for t in graph.initializer if t.data_type == TensorProto.FLOAT)
    made = {name for node in graph.node for name in node.output}
    ends = {value.name for value in graph.output}
    names: dict[str, str] = {}
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        to = next((a.i for a in node.attribute if a.name == "to"), None)
        source = _latest(names, node.input[0]) if node.input else ""
        if node.op_type != "Cast" or to != TensorProto.FLOAT or source not in floats:
            kept.append(node)
            continue
        result = node.output[0]
        if result not in ends:
            names[result] = source
        elif source in made and source not in ends:
            names[source] = result
            floats.add(result)
        else:
            kept.append(helper.make_node("Identity", [source], [result], name=node.name))
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(nodes)
    rename(graph, {name: _latest(names, name) for name in names})


def _latest(names: dict[str, str], name: str) -> str:
    while name in names:
        name = names[name]
    return name
