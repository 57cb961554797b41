"""Rewrite the operators whose signature changed after opset 17 as opset 17 has them.

All others must be valid at opset 17 as they are, which is checked for each operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..errors import UnsupportedModelError
from .constants import Constants

TARGET_OPSET = 17

_REDUCTIONS = frozenset(
    f"Reduce{kind}"
    for kind in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")
)
_GRID_MODES = {b"linear": b"bilinear", b"cubic": b"bicubic"}
# Values of attributes that opset 17 does not have.
_NEW_VALUES = {
    ("Pad", "mode"): (b"wrap",),
    ("ScatterElements", "reduction"): (b"max", b"min"),
    ("ScatterND", "reduction"): (b"max", b"min"),
    ("Resize", "coordinate_transformation_mode"): (b"half_pixel_symmetric",),
}

_Ints: TypeAlias = npt.NDArray[np.int64]


class Rewriting:
    """Rewrites one model's graph in place, from opset `version` to TARGET_OPSET."""

    def __init__(self, model: onnx.ModelProto, version: int) -> None:
        self._graph = model.graph
        self._version = version
        self._constants = Constants(model.graph)
        shaped = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        values = (*shaped.value_info, *shaped.input, *shaped.output)
        self._shapes = {
            value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
            for value in values
        }
        self._types = {value.name: value.type.tensor_type.elem_type for value in values}
        self._rewrites: dict[str, Callable[[onnx.NodeProto], None]] = {
            "Split": self._split,
            "Pad": self._pad,
            "Resize": self._resize,
            "GridSample": self._grid_sample,
            **dict.fromkeys(_REDUCTIONS, self._reduce),
        }

    def run(self) -> None:
        """Rewrite all nodes.

        Raises UnsupportedModelError for one without an equivalent, which it names.
        """
        for node in self._graph.node:
            if rewrite := self._rewrites.get(node.op_type):
                rewrite(node)
            self._drop_defaults(node)
            self._check(node)

    def _split(self, node: onnx.NodeProto) -> None:
        """Replace the number of equal parts, new in opset 18, by the list of their sizes."""
        if not _take(node, "num_outputs"):
            return
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        length = self._shapes.get(node.input[0], ())[axis : axis + 1 or None]
        if not length or not length[0]:
            raise refused(node, "splits an axis of unknown length")
        parts = len(node.output)
        size = -(-length[0] // parts)
        sizes = [size] * (parts - 1) + [length[0] - size * (parts - 1)]
        if sizes[-1] < 0:
            raise refused(node, f"splits {length[0]} values into {parts} parts")
        node.input[1:] = [self._constant(f"{node.output[0]}_sizes", sizes)]

    def _reduce(self, node: onnx.NodeProto) -> None:
        """Turn the axes, in opset 18 an input, into an attribute."""
        if self._types.get(node.input[0]) == TensorProto.BOOL:
            raise refused(node, "reduces truth values")
        keep_all = _take(node, "noop_with_empty_axes")
        axes = self._ints(node, 1)
        if axes is None or not axes.size:
            if keep_all and keep_all.i:
                node.op_type = "Identity"
                _take(node, "keepdims")
        else:
            node.attribute.append(helper.make_attribute("axes", axes.tolist()))
        del node.input[1:]

    def _pad(self, node: onnx.NodeProto) -> None:
        """Replace the list of padded axes, new in opset 18, by pads for all axes."""
        axes, pads = self._ints(node, 3), self._ints(node, 1)
        if axes is None:
            return
        rank = self._rank(node)
        if pads is None or pads.size != 2 * axes.size:
            raise refused(node, "pads by amounts that do not fit its axes")
        full = np.zeros((2, rank), np.int64)
        full[:, axes] = pads.reshape(2, -1)
        node.input[1] = self._constant(f"{node.output[0]}_pads", full.ravel())
        del node.input[3:]

    def _resize(self, node: onnx.NodeProto) -> None:
        """Widen scales and sizes of some axes, new in opset 18, to all; drop what changes nothing.

        Anti-aliasing widens the filter of a picture that shrinks. `half_pixel_symmetric` differs
        from `half_pixel` where a size was rounded.
        """
        shape = self._shapes.get(node.input[0], ())
        result = self._shapes.get(node.output[0], ())
        scales, sizes = self._floats(node, 2), self._ints(node, 3)
        axes = _take(node, "axes")
        chosen = [axis % max(1, len(shape)) for axis in axes.ints] if axes else range(len(shape))
        if axes and not shape:
            raise refused(node, "resizes a tensor of unknown shape")
        if axes and len(node.input) > 1 and node.input[1]:
            raise refused(node, "has a region of interest and uses `axes`")
        if axes and scales is not None and scales.size:
            full = np.ones(len(shape), np.float32)
            full[chosen] = scales
            node.input[2] = self._constant(f"{node.output[0]}_scales", full, np.float32)
        if axes and sizes is not None and sizes.size:
            whole = np.array(shape, np.int64)
            whole[chosen] = sizes
            node.input[3] = self._constant(f"{node.output[0]}_resized", whole)
        policy = _text(node, "keep_aspect_ratio_policy")
        if policy not in (None, b"stretch") and (sizes is None or not sizes.size):
            _take(node, "keep_aspect_ratio_policy")  # It is about sizes alone.
        grows = (
            bool(shape)
            and len(shape) == len(result)
            and all(0 < before <= after for before, after in zip(shape, result, strict=True))
        )
        whole_steps = grows and all(b % a == 0 for a, b in zip(shape, result, strict=True))
        if grows:
            _take(node, "antialias")
        mode = next((a for a in node.attribute if a.name == "coordinate_transformation_mode"), None)
        if mode is not None and mode.s == b"half_pixel_symmetric" and whole_steps:
            mode.s = b"half_pixel"

    def _grid_sample(self, node: onnx.NodeProto) -> None:
        """Write the names that opset 16 has for the ways to interpolate between four pixels."""
        if self._rank(node) != 4:
            raise refused(node, "samples something else than pictures")
        for attribute in node.attribute:
            if attribute.name == "mode":
                attribute.s = _GRID_MODES.get(attribute.s, attribute.s)
        if not any(attribute.name == "mode" for attribute in node.attribute):
            node.attribute.append(helper.make_attribute("mode", "bilinear"))

    def _rank(self, node: onnx.NodeProto) -> int:
        rank = len(self._shapes.get(node.input[0], ()))
        if not rank:
            raise refused(node, "works on a tensor of unknown shape")
        return rank

    def _ints(self, node: onnx.NodeProto, index: int) -> _Ints | None:
        """Read a constant integer input; None when the node does not have it.

        Raises UnsupportedModelError when it is not constant.
        """
        found = self._values(node, index)
        return None if found is None else found.astype(np.int64).ravel()

    def _floats(self, node: onnx.NodeProto, index: int) -> npt.NDArray[np.float32] | None:
        found = self._values(node, index)
        return None if found is None else found.astype(np.float32).ravel()

    def _values(self, node: onnx.NodeProto, index: int) -> npt.NDArray[np.generic] | None:
        if len(node.input) <= index or not node.input[index]:
            return None
        if node.input[index] not in self._constants:
            raise refused(node, "takes sizes that are computed while it runs")
        return self._constants[node.input[index]]

    def _constant(
        self, name: str, values: Iterable[float], kind: type[np.generic] = np.int64
    ) -> str:
        self._graph.initializer.append(
            numpy_helper.from_array(np.asarray(list(values), kind), name)
        )
        return name

    def _drop_defaults(self, node: onnx.NodeProto) -> None:
        """Remove attributes that opset 17 does not know, where they have their default values.

        Raises UnsupportedModelError for other values.
        """
        old = _schema(node, TARGET_OPSET)
        new = _schema(node, self._version)
        for attribute in list(node.attribute):
            value = _value(attribute)
            if attribute.name in old.attributes:
                if value in _NEW_VALUES.get((node.op_type, attribute.name), ()):
                    raise refused(node, f"uses `{attribute.name}` {attribute.s.decode()}")
                continue
            default = _value(new.attributes[attribute.name].default_value)
            if value != default and not _is_one(attribute.name, value):
                raise refused(node, f"uses `{attribute.name}`")
            node.attribute.remove(attribute)

    def _check(self, node: onnx.NodeProto) -> None:
        while node.input and not node.input[-1]:
            del node.input[-1]
        if len(node.input) > _schema(node, TARGET_OPSET).max_input:
            raise refused(node, "takes more inputs than it may")
        if node.op_type == "DFT":
            raise refused(node, "computes something else")


def _is_one(name: str, value: object) -> bool:
    """Say whether pools get dilations of 1, whose default the schema has in words only."""
    return name == "dilations" and isinstance(value, Sequence) and set(value) <= {1}


def _take(node: onnx.NodeProto, name: str) -> onnx.AttributeProto | None:
    """Remove an attribute and return it; None when it is not there."""
    found: onnx.AttributeProto | None = None
    for attribute in list(node.attribute):
        if attribute.name == name:
            found = attribute
            node.attribute.remove(attribute)
    return found


def _text(node: onnx.NodeProto, name: str) -> bytes | None:
    return next((attribute.s for attribute in node.attribute if attribute.name == name), None)


def _value(attribute: onnx.AttributeProto) -> object:
    return helper.get_attribute_value(attribute) if attribute.type else None


def _schema(node: onnx.NodeProto, version: int) -> onnx.defs.OpSchema:
    try:
        return onnx.defs.get_schema(node.op_type, version, "")
    except onnx.defs.SchemaError as error:
        raise refused(node, "does not exist") from error


def refused(node: onnx.NodeProto, reason: str) -> UnsupportedModelError:
    """Return the refusal of a node, with the ways there are to another opset."""
    return UnsupportedModelError(
        f"the operator {node.op_type} ({node.name or node.output[0]}) cannot be lowered: "
        f"it {reason} at opset {TARGET_OPSET}",
        "Export the model with opset=17; torch.onnx.export does so with dynamo=False alone. Or "
        "replace this operator in the network.",
    )
