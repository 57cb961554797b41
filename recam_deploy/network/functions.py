"""Replace functions by their bodies.

They are those that a model brings, and those of ONNX's operators that the compiler does not know,
such as Gelu, Mish, Swish and GroupNormalization.
"""

from __future__ import annotations

from typing import Any

import onnx
from onnx import inliner

from ..errors import UnsupportedModelError
from .onnx_file import first_line
from .precision import without_idle_casts
from .rewrites import TARGET_OPSET
from .subgraphs import all_graphs

# Functions by ONNX's definition for which the compiler has code (tpu_mlir 1.7,
# `transform/OnnxConverter.py`), or which `chip_forms` rewrites: their
# bodies would take it more layers.
_KNOWN = frozenset(
    {
        "Clip",
        "DepthToSpace",
        "Elu",
        "GreaterOrEqual",
        "HardSigmoid",
        "HardSwish",
        "LayerNormalization",
        "LeakyRelu",
        "LessOrEqual",
        "LogSoftmax",
        "PRelu",
        "Range",
        "ReduceL1",
        "ReduceL2",
        "Relu",
        "Selu",
        "Softmax",
        "Softplus",
    }
)
# Their bodies are quantization, and what refuses quantized models must see them; random.
_KEPT = frozenset({"DynamicQuantizeLinear", "Bernoulli", "SequenceMap"})


def expandable(model: onnx.ModelProto) -> list[str]:
    """List the operators of a model that `expand` replaces, in order."""
    version = next((o.version for o in model.opset_import if o.domain == ""), 0)
    used = {
        node.op_type
        for graph in all_graphs(model.graph)
        for node in graph.node
        if node.domain == ""
    }
    return sorted(op for op in used - _KEPT if _is_function(op, version))


def _is_function(op: str, version: int) -> bool:
    try:
        schema: Any = onnx.defs.get_schema(op, version, "")
    except onnx.defs.SchemaError:
        return False
    if not (schema.has_function or schema.has_context_dependent_function):
        return False
    return op not in _KNOWN or not _exists_at_target(op)


def _exists_at_target(op: str) -> bool:
    return onnx.defs.has(op, TARGET_OPSET, "")


def inline_own(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with the functions that it brings replaced by their bodies."""
    return inliner.inline_local_functions(model, convert_version=True)


def expand(model: onnx.ModelProto, operators: list[str]) -> onnx.ModelProto:
    """Return `model` with `operators` of ONNX's own replaced by their bodies.

    Raises UnsupportedModelError when onnx has no body for these types.
    """
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    typed = onnx.shape_inference.infer_shapes(model, data_prop=True)
    known = {value.name for value in (*typed.graph.value_info, *typed.graph.input)}
    # The inliner looks for the types of weights there alone.
    typed.graph.value_info.extend(
        onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in typed.graph.initializer
        if tensor.name not in known
    )
    for graph in all_graphs(typed.graph):
        for node in graph.node:
            if node.op_type in operators and node.domain == "":
                _write_defaults(node, opset)
    names = [("", op) for op in operators]
    try:
        expanded = inliner.inline_selected_functions(typed, names, inline_schema_functions=True)
    except Exception as error:
        raise UnsupportedModelError(
            f"the model uses {', '.join(operators)}, which the compiler does not know and onnx "
            f"cannot expand: {_reason(error)}",
            "Replace them in the network by simpler operators, and export it again.",
        ) from error
    del expanded.graph.value_info[:]
    for node in expanded.graph.node:
        # Of a Sum, the compiler reads no constants.
        if node.op_type == "Sum" and len(node.input) == 2 and not node.domain:
            node.op_type = "Add"
    return without_idle_casts(expanded)


def _reason(error: Exception) -> str:
    """Return what onnx says, without the place in its own source."""
    return first_line(error).rpartition("` failed: ")[2]


def _write_defaults(node: onnx.NodeProto, opset: int) -> None:
    """Write the attributes that a node leaves at their defaults, which the inliner overlooks."""
    given = {attribute.name for attribute in node.attribute}
    for name, attribute in onnx.defs.get_schema(node.op_type, opset, "").attributes.items():
        if name not in given and attribute.default_value.type:
            node.attribute.append(attribute.default_value)
