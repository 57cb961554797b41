"""Read a graph's constant tensors, in all the forms in which exporters write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

_VALUES = ("value_int", "value_ints", "value_float", "value_floats")


class Constants(Mapping[str, npt.NDArray[np.generic]]):
    """The constant tensors of a graph by name, as arrays that are made when they are asked for.

    They are weights (initializers), Constant nodes with any of their attributes, and what Identity
    makes of these.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._sources: dict[str, onnx.TensorProto | onnx.AttributeProto] = {
            tensor.name: tensor for tensor in graph.initializer
        }
        for node in graph.node:
            if node.domain:
                continue
            if node.op_type == "Constant" and node.attribute:
                attribute = node.attribute[0]
                if attribute.name == "value":
                    self._sources[node.output[0]] = attribute.t
                elif attribute.name in _VALUES:
                    self._sources[node.output[0]] = attribute
            elif node.op_type == "Identity" and node.input[0] in self._sources:
                self._sources[node.output[0]] = self._sources[node.input[0]]

    def __getitem__(self, name: str) -> npt.NDArray[np.generic]:
        source = self._sources[name]
        if isinstance(source, onnx.TensorProto):
            return numpy_helper.to_array(source)
        return np.asarray(
            helper.get_attribute_value(source), np.int64 if "int" in source.name else np.float32
        )

    def __contains__(self, name: object) -> bool:
        return name in self._sources

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of a constant without reading its values; None for other tensors."""
        source = self._sources.get(name)
        if isinstance(source, onnx.TensorProto):
            return tuple(source.dims)
        return None if source is None else self[name].shape
