"""Lower a model to the IR and operator versions that the compiler's onnx of 2023 reads.

onnx's own version converter cannot lower several operators that every YOLO uses (Split, for one),
so the few whose signature changed after opset 17 are rewritten here. All others must be valid at
opset 17 as they are, which is checked for each operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from ..errors import UnsupportedModelError

TARGET_IR = 8
TARGET_OPSET = 17

# Operators with the same signature at opset 17, but another meaning.
_CHANGED_MEANING = frozenset({"DFT", "GridSample"})
_REDUCTIONS = frozenset(
    f"Reduce{kind}"
    for kind in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")
)

_SLOPES = {"LeakyRelu": 0.01, "Elu": 1.0, "HardSigmoid": 0.2}


def lower(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of `model` at IR <= 8 and opset <= 17 that computes the same.

    `model` must have its shapes inferred; older models keep their opset.

    Raises UnsupportedModelError for an operator without an equivalent there.
    """
    lowered = onnx.ModelProto()
    lowered.CopyFrom(model)
    lowered.ir_version = min(model.ir_version, TARGET_IR)
    opsets = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    foreign = sorted(
        {f"{n.domain}.{n.op_type}" for n in model.graph.node if n.domain not in ("", "ai.onnx")}
    )
    if foreign:
        raise UnsupportedModelError(
            f"the model uses the operator {foreign[0]}, which is not ONNX's own",
            "Export it without custom or runtime-specific operators.",
        )
    version = opsets["ai.onnx"]
    if version > TARGET_OPSET:
        _Lowering(lowered, version).run()
        version = TARGET_OPSET
    _write_kernels(lowered.graph)
    _write_defaults(lowered.graph)
    del lowered.opset_import[:]
    lowered.opset_import.append(helper.make_opsetid("", version))
    onnx.checker.check_model(lowered)
    return lowered


def _write_kernels(graph: onnx.GraphProto) -> None:
    """Write each convolution's kernel shape, which is optional in ONNX and not for the compiler."""
    weights = {tensor.name: tensor.dims for tensor in graph.initializer}
    for node in graph.node:
        given = any(attribute.name == "kernel_shape" for attribute in node.attribute)
        if node.op_type in ("Conv", "ConvTranspose") and not given and node.input[1] in weights:
            kernel = list(weights[node.input[1]][2:])
            node.attribute.append(helper.make_attribute("kernel_shape", kernel))


def _write_defaults(graph: onnx.GraphProto) -> None:
    """Write ONNX's defaults of attributes for which the compiler has others.

    These are the slopes of activations, and the strides of pools, which the compiler sets to the
    kernel (tpu_mlir 1.7, `transform/OnnxConverter.py`).
    """
    for node in graph.node:
        given = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type in _SLOPES and "alpha" not in given:
            node.attribute.append(helper.make_attribute("alpha", _SLOPES[node.op_type]))
        if node.op_type in ("MaxPool", "AveragePool") and "strides" not in given:
            ones = [1] * len(given["kernel_shape"].ints)
            node.attribute.append(helper.make_attribute("strides", ones))


_Ints: TypeAlias = npt.NDArray[np.int64]


class _Lowering:
    """Rewrites one model's graph in place."""

    def __init__(self, model: onnx.ModelProto, version: int) -> None:
        self._graph = model.graph
        self._version = version
        self._constants = {t.name: t for t in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self._constants[node.output[0]] = node.attribute[0].t
        self._shapes = {
            value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
            for value in (*self._graph.value_info, *self._graph.input, *self._graph.output)
        }
        self._rewrites: dict[str, Callable[[onnx.NodeProto], None]] = {
            "Split": self._split,
            "Pad": self._pad,
            **dict.fromkeys(_REDUCTIONS, self._reduce),
        }

    def run(self) -> None:
        for node in self._graph.node:
            rewrite = self._rewrites.get(node.op_type)
            if rewrite:
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
            raise _refused(node, "splits an axis of unknown length")
        parts = len(node.output)
        size = -(-length[0] // parts)
        sizes = [size] * (parts - 1) + [length[0] - size * (parts - 1)]
        node.input.append(self._constant(f"{node.output[0]}_sizes", sizes))

    def _reduce(self, node: onnx.NodeProto) -> None:
        """Turn the axes, in opset 18 an input, into an attribute."""
        keep_all = _take(node, "noop_with_empty_axes")
        axes = self._ints(node, 1)
        if axes is None and keep_all and keep_all.i:
            node.op_type = "Identity"
            _take(node, "keepdims")
        elif axes is not None:
            node.attribute.append(helper.make_attribute("axes", axes.tolist()))
        del node.input[1:]

    def _pad(self, node: onnx.NodeProto) -> None:
        """Replace the list of padded axes, new in opset 18, by pads for all axes."""
        axes, pads = self._ints(node, 3), self._ints(node, 1)
        if axes is None:
            return
        rank = len(self._shapes.get(node.input[0], ()))
        if pads is None or not rank:
            raise _refused(node, "pads by amounts that are not constant")
        full = np.zeros((2, rank), np.int64)
        full[:, axes] = pads.reshape(2, -1)
        node.input[1] = self._constant(f"{node.output[0]}_pads", full.ravel())
        del node.input[3:]

    def _ints(self, node: onnx.NodeProto, index: int) -> _Ints | None:
        """Read a constant integer input; None when the node does not have it.

        Raises UnsupportedModelError when it is not constant.
        """
        if len(node.input) <= index or not node.input[index]:
            return None
        constant = self._constants.get(node.input[index])
        if constant is None:
            raise _refused(node, "takes sizes that are computed while it runs")
        return numpy_helper.to_array(constant).astype(np.int64).ravel()

    def _constant(self, name: str, values: Iterable[int]) -> str:
        self._graph.initializer.append(
            numpy_helper.from_array(np.asarray(list(values), np.int64), name)
        )
        return name

    def _drop_defaults(self, node: onnx.NodeProto) -> None:
        """Remove attributes that opset 17 does not know, where they have their default values.

        Raises UnsupportedModelError for other values.
        """
        old = _schema(node, TARGET_OPSET)
        new = _schema(node, self._version)
        for attribute in list(node.attribute):
            if attribute.name in old.attributes:
                continue
            default = new.attributes[attribute.name].default_value
            if _value(attribute) != _value(default):
                raise _refused(node, f"uses `{attribute.name}`")
            node.attribute.remove(attribute)

    def _check(self, node: onnx.NodeProto) -> None:
        while node.input and not node.input[-1]:
            del node.input[-1]
        if len(node.input) > _schema(node, TARGET_OPSET).max_input:
            raise _refused(node, "takes more inputs than it may")
        if node.op_type in _CHANGED_MEANING:
            raise _refused(node, "computes something else")


def _take(node: onnx.NodeProto, name: str) -> onnx.AttributeProto | None:
    """Remove an attribute and return it; None when it is not there."""
    found: onnx.AttributeProto | None = None
    for attribute in list(node.attribute):
        if attribute.name == name:
            found = attribute
            node.attribute.remove(attribute)
    return found


def _value(attribute: onnx.AttributeProto) -> object:
    return helper.get_attribute_value(attribute) if attribute.type else None


def _schema(node: onnx.NodeProto, version: int) -> onnx.defs.OpSchema:
    try:
        return onnx.defs.get_schema(node.op_type, version, "")
    except onnx.defs.SchemaError as error:
        raise _refused(node, "does not exist") from error


def _refused(node: onnx.NodeProto, reason: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"the operator {node.op_type} ({node.name or node.output[0]}) cannot be lowered: "
        f"it {reason} at opset {TARGET_OPSET}",
        "Export the model with opset=17.",
    )
