"""Find what a model does to its picture before its first layer: scaling, colours, layout, size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from .constants import Constants

_Values: TypeAlias = npt.NDArray[Any]
_Triple: TypeAlias = tuple[float, float, float]

_CHANNELS = 3
_LEAST_PIXEL_SCALE = 0.05
_LEAST_PIXEL_MEAN = 4.0
_INTEGERS = frozenset({TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32, TensorProto.INT64})


@dataclass(frozen=True)
class InputChain:
    """The operators between the input and the first layer, and what they compute.

    A channel's value becomes `scale` * value + `offset`; `end` is the tensor that the first layer
    reads. `channels_last` says how the input's axes are ordered, `moved` that a transpose puts the
    channels first; `swapped` and `resized` that the colours' order or the size is changed.
    """

    end: str
    nodes: tuple[str, ...]
    scale: _Triple
    offset: _Triple
    kind: int
    channels_last: bool
    moved: bool = False
    swapped: bool = False
    resized: bool = False

    @property
    def scaled(self) -> bool:
        """Say whether values are changed at all."""
        return self.scale != (1.0, 1.0, 1.0) or self.offset != (0.0, 0.0, 0.0)

    @property
    def of_pixels(self) -> bool:
        """Say whether the input is bytes from 0 to 255, not fractions from 0 to 1.

        Integers are bytes. Else the scaling tells: it divides by about 60 or more, or takes away
        more than a few units.
        """
        if self.kind in _INTEGERS:
            return True
        means = [abs(o / s) if s else 0.0 for s, o in zip(self.scale, self.offset, strict=True)]
        return self.scaled and (
            max(map(abs, self.scale)) < _LEAST_PIXEL_SCALE or max(means) > _LEAST_PIXEL_MEAN
        )


def input_chain(model: onnx.ModelProto) -> InputChain | None:
    """Follow a model's one picture to its first layer; None where the input is no picture."""
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        return None
    kind = inputs[0].type.tensor_type
    sides = [dim.dim_value for dim in kind.shape.dim]
    if len(sides) != 4 or _CHANNELS not in (sides[1], sides[3]):
        return None
    walk = _Walk(model, inputs[0].name, channels_last=sides[1] != _CHANNELS)
    while walk.step():
        pass
    return InputChain(
        end=walk.tensor,
        nodes=tuple(walk.nodes),
        scale=_triple(walk.scale),
        offset=_triple(walk.offset),
        kind=kind.elem_type,
        channels_last=sides[1] != _CHANNELS,
        moved=walk.moved,
        swapped=walk.swapped,
        resized=walk.resized,
    )


def _triple(values: _Values) -> _Triple:
    first, second, third = (float(value) for value in values)
    return first, second, third


class _Walk:
    """One tensor after another from the input on, and what was done to it so far."""

    def __init__(self, model: onnx.ModelProto, tensor: str, *, channels_last: bool) -> None:
        self.tensor = tensor
        self.nodes: list[str] = []
        self.scale, self.offset = np.ones(_CHANNELS), np.zeros(_CHANNELS)
        self.moved = self.swapped = self.resized = False
        self._rules: dict[str, Callable[[onnx.NodeProto], bool]] = {
            "Identity": lambda node: True,
            "Cast": self._cast,
            "Transpose": self._move,
            "BatchNormalization": self._normalize,
            "Conv": self._weigh,
            "Gather": self._gather,
            "Slice": self._reverse,
            "Resize": self._resize,
            **dict.fromkeys(("Add", "Sub", "Mul", "Div"), self._compute),
        }
        self._axis = 3 if channels_last else 1
        self._graph = model.graph
        self._ends = {value.name for value in model.graph.output}
        self._constants = Constants(model.graph)

    def step(self) -> bool:
        """Go on by one operator; say whether that was possible."""
        readers = [node for node in self._graph.node if self.tensor in node.input]
        if len(readers) != 1 or self.tensor in self._ends or readers[0].domain:
            return False
        node = readers[0]
        if node.op_type == "Split":
            end = self._split(node)
        else:
            rule = self._rules.get(node.op_type)
            end = node.output[0] if rule and rule(node) else None
        if end is None:
            return False
        self.nodes += [node.output[0]] if node.output[0] == end else [node.output[0], end]
        self.tensor = end
        return not self.resized

    def _cast(self, node: onnx.NodeProto) -> bool:
        return bool(_attribute(node, "to") == TensorProto.FLOAT)

    def _move(self, node: onnx.NodeProto) -> bool:
        if self._axis != 3 or _attribute(node, "perm") != [0, 3, 1, 2]:
            return False
        self._axis, self.moved = 1, True
        return True

    def _resize(self, node: onnx.NodeProto) -> bool:
        self.resized = True
        return True

    def _compute(self, node: onnx.NodeProto) -> bool:
        """Apply an operator whose other input is one number, or one for each channel."""
        place = list(node.input).index(self.tensor)
        values = self._by_channel(node.input[1 - place])
        if values is None or (node.op_type == "Div" and (place or not values.all())):
            return False
        if node.op_type in ("Mul", "Div"):
            factor = values if node.op_type == "Mul" else 1 / values
            self.scale, self.offset = self.scale * factor, self.offset * factor
        elif node.op_type == "Add":
            self.offset = self.offset + values
        elif place:
            self.scale, self.offset = -self.scale, values - self.offset
        else:
            self.offset = self.offset - values
        return True

    def _by_channel(self, name: str) -> _Values | None:
        if name not in self._constants:
            return None
        values = self._constants[name].astype(np.float64)
        if values.size == 1:
            return np.full(_CHANNELS, values.ravel()[0])
        sides = [1] * (4 - values.ndim) + list(values.shape)
        wanted = [_CHANNELS if axis == self._axis else 1 for axis in range(4)]
        return values.ravel() if sides == wanted else None

    def _normalize(self, node: onnx.NodeProto) -> bool:
        if self._axis != 1 or not all(name in self._constants for name in node.input[1:5]):
            return False
        weight, bias, mean, variance = (
            self._constants[name].astype(np.float64) for name in node.input[1:5]
        )
        factor = weight / np.sqrt(variance + (_attribute(node, "epsilon") or 1e-5))
        self.scale = self.scale * factor
        self.offset = (self.offset - mean) * factor + bias
        return True

    def _weigh(self, node: onnx.NodeProto) -> bool:
        """Apply a convolution of one pixel and one channel each, which some tools scale by."""
        names = [name for name in node.input[1:] if name]
        if self._axis != 1 or not all(name in self._constants for name in names):
            return False
        weight, *bias = (self._constants[name].astype(np.float64) for name in names)
        moved = _attribute(node, "pads") not in (None, [0] * 4)
        strided = _attribute(node, "strides") not in (None, [1, 1])
        if weight.shape != (_CHANNELS, 1, 1, 1) or moved or strided:
            return False
        self.scale = self.scale * weight.ravel()
        self.offset = self.offset * weight.ravel() + (bias[0] if bias else 0)
        return True

    def _gather(self, node: onnx.NodeProto) -> bool:
        """Take the channels in reverse order."""
        order = self._ints(node.input[1])
        axis = _attribute(node, "axis") or 0
        return order in ([2, 1, 0], [-1, -2, -3]) and self._swap(axis)

    def _reverse(self, node: onnx.NodeProto) -> bool:
        """Take a slice of all channels with a step of -1."""
        parts = [self._ints(name) for name in node.input[1:5]]
        if len(parts) != 4 or any(part is None or len(part) != 1 for part in parts):
            return False
        (start,), (end,), (axis,), (step,) = (part or [0] for part in parts)
        whole = start in (-1, 2) and (end < -_CHANNELS)
        return step == -1 and whole and self._swap(axis)

    def _split(self, node: onnx.NodeProto) -> str | None:
        """Find the concatenation that joins three split channels in reverse order."""
        axis = _attribute(node, "axis") or 0
        readers = [n for n in self._graph.node if any(name in n.input for name in node.output)]
        turned = list(node.output)[::-1]
        if len(turned) != _CHANNELS or len(readers) != 1 or readers[0].op_type != "Concat":
            return None
        alike = list(readers[0].input) == turned and _attribute(readers[0], "axis") == axis
        return readers[0].output[0] if alike and self._swap(axis) else None

    def _swap(self, axis: int) -> bool:
        if axis % 4 != self._axis:
            return False
        self.swapped = not self.swapped
        self.scale, self.offset = self.scale[::-1], self.offset[::-1]
        return True

    def _ints(self, name: str) -> list[int] | None:
        constant = self._constants.get(name)
        return None if constant is None else constant.ravel().tolist()


def _attribute(node: onnx.NodeProto, name: str) -> Any:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), None)
