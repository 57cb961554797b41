"""Add outputs to an ONNX graph for the extremes, samples and patches of its inner tensors.

One picture at 640 has 190 MB of activations in YOLO11n. They stay in onnxruntime, which reduces
each tensor while it is still in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_PREFIX = "recam.observe."


@dataclass(frozen=True)
class Patches:
    """Squares of `side`, cut from each plane of a tensor [1, C, H, W].

    `corners` are the first row and column of each square.
    """

    side: int
    corners: tuple[tuple[int, int], ...]


def float_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the known shapes of all float tensors of a model whose shapes have been inferred."""
    graph = model.graph
    shapes = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        shape = tuple(dim.dim_value for dim in kind.shape.dim)
        if kind.elem_type == TensorProto.FLOAT and kind.HasField("shape") and all(shape):
            shapes[value.name] = shape
    return shapes


class ObservedModel:
    """A copy of a model whose outputs are the observations added to it, in that order."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = onnx.ModelProto()
        self._model.CopyFrom(model)
        del self._model.graph.output[:]
        self._constant("flat", np.array([-1], np.int64))
        self._count = 0

    def extremes(self, tensor: str) -> None:
        """Add the minimum and the maximum: two scalar outputs."""
        for op in ("ReduceMin", "ReduceMax"):
            self._output(self._node(op, [tensor], keepdims=0))

    def sample(self, tensor: str, size: int, samples: int) -> None:
        """Add `samples` of the `size` values, or all if there are no more: one flat output.

        Tensors of one size are sampled at the same places.
        """
        flat = self._node("Reshape", [tensor, _PREFIX + "flat"])
        if size > samples:
            places = self._constant(f"places{size}", sample_places(size, samples))
            flat = self._node("Gather", [flat, places], axis=0)
        self._output(flat)

    def whole(self, tensor: str) -> None:
        """Add the whole tensor: one output."""
        self._output(self._node("Identity", [tensor]))

    def patches(self, tensor: str, patches: Patches) -> None:
        """Add patches: one output [patches, C, side, side]."""
        axes = self._constant("planes", np.array([2, 3], np.int64))
        pieces = []
        for corner in patches.corners:
            start = self._constant(f"at{corner}", np.array(corner, np.int64))
            end = np.array(corner, np.int64) + patches.side
            stop = self._constant(f"to{tuple(end.tolist())}", end)
            pieces.append(self._node("Slice", [tensor, start, stop, axes]))
        self._output(self._node("Concat", pieces, axis=0))

    def serialized(self) -> bytes:
        """Return the model as bytes for onnxruntime."""
        return self._model.SerializeToString()

    def _constant(self, name: str, values: np.ndarray) -> str:
        full = _PREFIX + name
        if all(tensor.name != full for tensor in self._model.graph.initializer):
            self._model.graph.initializer.append(numpy_helper.from_array(values, full))
        return full

    def _node(self, op: str, inputs: Iterable[str], **attributes: Any) -> str:
        self._count += 1
        output = f"{_PREFIX}{self._count}"
        self._model.graph.node.append(
            helper.make_node(op, list(inputs), [output], name=output, **attributes)
        )
        return output

    def _output(self, tensor: str) -> None:
        value = helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None)
        self._model.graph.output.append(value)


def sample_places(size: int, samples: int) -> np.ndarray:
    """Choose `samples` different indices below `size`, sorted; the same ones in every run."""
    places = np.random.default_rng(size).choice(size, samples, replace=False)
    return np.sort(places).astype(np.int64)
