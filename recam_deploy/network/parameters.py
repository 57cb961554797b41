"""Check that the weights of an operator fit each other.

onnx's checker and shape inference look at the first two inputs only, and onnxruntime reads past the
end of a bias that is too short.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from ..errors import InputError
from .subgraphs import all_graphs


def check_parameters(graph: onnx.GraphProto) -> None:
    """Raise InputError, naming the node, for weights whose lengths do not fit."""
    for inner in all_graphs(graph):
        shapes = {tensor.name: tuple(tensor.dims) for tensor in inner.initializer}
        for node in inner.node:
            if node.op_type in ("Conv", "ConvTranspose"):
                _check_convolution(node, shapes)
            elif node.op_type in ("BatchNormalization", "InstanceNormalization"):
                given = [shapes[name] for name in node.input[1:] if name in shapes]
                if len(set(given)) > 1 or any(len(shape) != 1 for shape in given):
                    raise _unfit(node, f"its parameters have the shapes {_shown(given)}")


def _check_convolution(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> None:
    weight = shapes.get(node.input[1]) if len(node.input) > 1 else None
    bias = shapes.get(node.input[2]) if len(node.input) > 2 else None
    groups = next((a.i for a in node.attribute if a.name == "group"), 1)
    kernel = next((tuple(a.ints) for a in node.attribute if a.name == "kernel_shape"), None)
    if weight is None:
        return
    if len(weight) < 3 or groups < 1 or not all(weight):
        raise _unfit(node, f"its weights are {_shown([weight])}")
    if kernel is not None and kernel != weight[2:]:
        raise _unfit(
            node, f"its kernel_shape is {_shown([kernel])}, its weights {_shown([weight])}"
        )
    channels = weight[0] if node.op_type == "Conv" else weight[1] * groups
    if weight[0] % groups:
        raise _unfit(node, f"its {weight[0]} channels cannot be {groups} groups")
    if bias is not None and bias != (channels,):
        raise _unfit(node, f"its bias is {_shown([bias])}, and it has {channels} output channels")


def _shown(shapes: Sequence[Sequence[int]]) -> str:
    return ", ".join("×".join(map(str, shape)) or "a scalar" for shape in shapes)


def _unfit(node: onnx.NodeProto, reason: str) -> InputError:
    return InputError(
        f"the operator {node.op_type} ({node.name or ', '.join(node.output)}) is broken: {reason}",
        "The exporter wrote a wrong model. Export it again, with torch by dynamo=False, or with "
        "another release of it.",
    )
