"""Recognise models that are quantized already; take apart those that only store weights so.

Weights behind DequantizeLinear are constants: their product with the scale is the very number that
the model computes with. A model that also rounds what flows between its layers is another matter.
Its roundings were chosen for another chip, and would be made a second time; leaving them out gives
another model than the one that was measured.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from ..errors import UnsupportedModelError
from .constants import Constants

_Values: TypeAlias = npt.NDArray[Any]

_STORING = ("QuantizeLinear", "DequantizeLinear")
_INTEGER = frozenset({"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"})
_LIKE = ("Quantize", "Dequantize", "QLinear", "FakeQuant", "QGemm", "MatMulNBits", "QAttention")
"""Parts of the names of such operators, in ONNX itself and of other makers (onnxruntime, OpenVINO,
TensorRT)."""


def without_quantization(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Return the model with quantized weights as float ones, and the names of the steps taken.

    A model without any is returned as it is. Raises UnsupportedModelError for a model that
    quantizes more than its weights.
    """
    if not any(_is_quantization(node) for node in model.graph.node):
        return model, ()
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    _Weights(changed.graph).restore()
    left = [node for node in changed.graph.node if _is_quantization(node)]
    if left:
        raise UnsupportedModelError(
            f"the model is already quantized: {_describe(left)}", _FLOAT_MODEL
        )
    return changed, ("quantized weights made float",)


_FLOAT_MODEL = (
    "Give the float model that it was made from: recam quantizes it for the camera's chip, on the "
    "pictures of --calibration. With Ultralytics, export it without int8 or quantize."
)


def _is_quantization(node: onnx.NodeProto) -> bool:
    return node.op_type in _INTEGER or any(part in node.op_type for part in _LIKE)


def _describe(nodes: list[onnx.NodeProto]) -> str:
    """Say what is quantized, by the operators that are left."""
    kinds = {node.op_type for node in nodes}
    first = nodes[0].name or nodes[0].output[0]
    integer = sorted(kinds & _INTEGER | {kind for kind in kinds if kind.startswith("QLinear")})
    if "DynamicQuantizeLinear" in kinds:
        how = "its layers measure and round their inputs while they run (DynamicQuantizeLinear)"
    elif integer:
        how = f"its layers compute in integers ({integer[0]})"
    elif kinds <= set(_STORING):
        how = "the values between its layers are rounded (QuantizeLinear and DequantizeLinear)"
    else:
        how = f"it has the operator {sorted(kinds)[0]}"
    return f"{how}; the first of {len(nodes)} such places is {first}"


class _Weights:
    """The constants of a graph, and how Q and DQ nodes turn them into others."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._given = Constants(graph)
        self._made: dict[str, _Values] = {}

    def _read(self, name: str) -> _Values:
        return self._made[name] if name in self._made else self._given[name]

    def restore(self) -> None:
        """Replace each node that quantizes or dequantizes constants by its result, in place."""
        kept: list[onnx.NodeProto] = []
        for node in self._graph.node:
            values = self._tried(node) if node.op_type in _STORING else None
            if values is None:
                kept.append(node)
                continue
            self._made[node.output[0]] = values
        used = {name for node in kept for name in node.input}
        used.update(value.name for value in self._graph.output)
        nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
        weights = [
            onnx.TensorProto.FromString(tensor.SerializeToString())
            for tensor in self._graph.initializer
            if tensor.name in used
        ]
        weights += [
            numpy_helper.from_array(v, name) for name, v in self._made.items() if name in used
        ]
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(nodes)
        self._graph.initializer.extend(weights)

    def _tried(self, node: onnx.NodeProto) -> _Values | None:
        try:
            with np.errstate(all="ignore"):
                return self._result(node)
        except (ValueError, IndexError, TypeError):
            # Scales that fit no axis: onnxruntime would refuse the node, and so will the caller.
            return None

    def _result(self, node: onnx.NodeProto) -> _Values | None:
        """Compute the output; None where an input is not constant, or its type is unknown."""
        names = [name for name in node.input if name]
        if not all(name in self._made or name in self._given for name in names):
            return None
        values, scale, *rest = (self._read(name) for name in names)
        settings = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        axis, block = int(settings.get("axis", 1)), int(settings.get("block_size", 0))
        spread = _spread(scale, values.shape, axis, block)
        zero = _spread(rest[0], values.shape, axis, block) if rest else np.zeros((), np.int32)
        if node.op_type == "DequantizeLinear":
            # In float32, as onnxruntime does; the difference of two integers is exact there.
            centred = values.astype(np.float32) - zero.astype(np.float32)
            wide: _Values = (centred * spread.astype(np.float32)).astype(scale.dtype)
            return wide
        kind = rest[0].dtype if rest else np.dtype(np.uint8)
        if kind.kind not in "iu":
            return None
        limits = np.iinfo(kind)
        rounded = np.rint(values / spread) + zero.astype(np.float32)
        narrow: _Values = np.clip(rounded, limits.min, limits.max).astype(kind)
        return narrow


def _spread(values: _Values, shape: tuple[int, ...], axis: int, block: int) -> _Values:
    """Fit scales to `shape`: one for all, one for each place of `axis`, or one a block."""
    if values.size == 1:
        return values.reshape(())
    axis %= len(shape)
    if block:
        return np.repeat(values, block, axis=axis)[tuple(slice(0, side) for side in shape)]
    return values.reshape([-1 if place == axis else 1 for place in range(len(shape))])
