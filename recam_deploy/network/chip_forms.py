"""Write operators in the forms that the compiler reads and the chip computes, and refuse others.

All was measured with tpu_mlir 1.7 for the cv181x: each operator was compiled in a small network, in
INT8 and in BF16. What depends on constants alone is folded by the compiler, so it is left alone.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..errors import UnsupportedModelError
from .constants import Constants

# The compiler's translator knows no such operator.
_NOT_TRANSLATED = frozenset(
    {
        *("Asinh", "Acosh", "Asin", "Cosh", "Sinh", "Tan"),
        *("GlobalLpPool", "LpPool", "Hardmax", "Mean", "Mod", "SpaceToDepth"),
        *("ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"),
        *("Shrink", "Softsign", "ThresholdedRelu"),
    }
)
# It translates these, and then has no code for this chip.
_NO_CODE = frozenset(
    {
        *("Acos", "Atan", "Atanh", "Ceil", "Cos", "Floor", "Round", "Sign", "Sin"),
        *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
        *("CumSum", "GatherElements", "ReduceL1", "ReduceProd", "TopK", "Trilu"),
    }
)
_ROOT, _SELU_ALPHA, _SELU_GAMMA = math.sqrt(2), 1.6732632423543772, 1.0507009873554805


def write_chip_forms(graph: onnx.GraphProto) -> None:
    """Rewrite Selu, GELU and group normalization where their form stops the compiler, in place.

    The graph must be at opset 17 or lower, and have no functions.
    """
    _Forms(graph).write()


def refuse_what_no_chip_form_has(graph: onnx.GraphProto) -> None:
    """Raise UnsupportedModelError for an operator on the picture's data that cannot be compiled."""
    moving = _moving(graph)
    for node in graph.node:
        if moving.isdisjoint(node.input):
            continue
        name = f"{node.op_type} ({node.name or node.output[0]})"
        if node.op_type in _NOT_TRANSLATED | _NO_CODE:
            raise UnsupportedModelError(
                f"the compiler has no code for the operator {name} on this chip", _REPLACE
            )
        if node.op_type == "Erf" and not _adds_one(graph, node, moving):
            raise UnsupportedModelError(
                f"the compiler has no code for the operator {name} on this chip, except as a part "
                "of GELU",
                _REPLACE,
            )


_REPLACE = (
    "Replace it in the network by simpler operators (Relu, Sigmoid, Tanh, Exp, Add, Mul, ...) and "
    "export it again, or let the model end before it (--output-names)."
)


def _moving(graph: onnx.GraphProto) -> set[str]:
    """Return the tensors that depend on the picture's values, not on its shape alone."""
    weights = {tensor.name for tensor in graph.initializer}
    found = {value.name for value in graph.input} - weights
    for node in graph.node:
        if node.op_type not in ("Shape", "Size") and not found.isdisjoint(node.input):
            found.update(node.output)
    return found


def _adds_one(graph: onnx.GraphProto, erf: onnx.NodeProto, moving: set[str]) -> bool:
    """Say whether something constant is added to an Erf, as in GELU."""
    users = [node for node in graph.node if erf.output[0] in node.input]
    return len(users) == 1 and users[0].op_type == "Add" and len(moving & {*users[0].input}) == 1


class _Forms:
    """Rewrites one graph."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._nodes = list(graph.node)
        self._constants = Constants(graph)
        self._ranks = {
            value.name: len(value.type.tensor_type.shape.dim) for value in graph.value_info
        }
        self._makers = {name: node for node in self._nodes for name in node.output}
        self._users: dict[str, list[onnx.NodeProto]] = {}
        for node in self._nodes:
            for name in {*node.input}:
                self._users.setdefault(name, []).append(node)
        self._results = {value.name for value in graph.output}

    def write(self) -> None:
        """Replace the nodes."""
        nodes: list[onnx.NodeProto] = []
        for node in self._nodes:
            if node.op_type == "Selu":
                nodes += self._elu(node)
            elif node.op_type == "InstanceNormalization" and self._is_of_groups(node):
                nodes += self._normalisation(node)
            else:
                nodes.append(node)
        for erf in [node for node in nodes if node.op_type == "Erf"]:
            nodes = self._gelu(erf, nodes)
        if len(nodes) != len(self._nodes) or any(map(operator.is_not, nodes, self._nodes)):
            kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
            del self._graph.node[:]
            self._graph.node.extend(kept)

    def _elu(self, selu: onnx.NodeProto) -> Iterable[onnx.NodeProto]:
        """Write Selu, which the compiler does not know, as an Elu that is multiplied."""
        given = {attribute.name: attribute.f for attribute in selu.attribute}
        (name,) = selu.output
        elu = f"{name}_elu"
        gamma = self._constant(f"{name}_gamma", given.get("gamma", _SELU_GAMMA))
        alpha = given.get("alpha", _SELU_ALPHA)
        yield helper.make_node("Elu", selu.input, [elu], name=elu, alpha=alpha)
        yield helper.make_node("Mul", [elu, gamma], [name], name=selu.name or name)

    def _is_of_groups(self, node: onnx.NodeProto) -> bool:
        """Say whether it stands between Reshapes, which the compiler joins to a GroupNorm.

        For that it has no code on this chip.
        """
        maker, users = self._makers.get(node.input[0]), self._users.get(node.output[0], [])
        return (
            maker is not None
            and maker.op_type == "Reshape"
            and self._ranks.get(node.input[0], 0) > 2
            and any(user.op_type == "Reshape" for user in users)
            and all(name in self._constants for name in node.input[1:])
        )

    def _normalisation(self, node: onnx.NodeProto) -> Iterable[onnx.NodeProto]:
        """Write (x - mean) / sqrt(variance + epsilon) * scale + bias over all axes but two."""
        epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
        (out,) = node.output
        axes = list(range(2, self._ranks[node.input[0]]))
        scale, bias = (
            self._constants[name].astype(np.float32).reshape(-1, *(1 for _ in axes))
            for name in node.input[1:]
        )
        x = node.input[0]
        mean, apart, square, variance, plus, root, normal, scaled = (
            f"{out}_{part}"
            for part in ("mean", "apart", "square", "variance", "plus", "root", "normal", "scaled")
        )

        def made(kind: str, inputs: list[str], output: str, **more: Any) -> onnx.NodeProto:
            return helper.make_node(kind, inputs, [output], name=output, **more)

        yield made("ReduceMean", [x], mean, axes=axes, keepdims=1)
        yield made("Sub", [x, mean], apart)
        yield made("Mul", [apart, apart], square)
        yield made("ReduceMean", [square], variance, axes=axes, keepdims=1)
        yield made("Add", [variance, self._constant(f"{out}_epsilon", epsilon)], plus)
        yield made("Sqrt", [plus], root)
        if (scale == 1).all() and (bias == 0).all():
            yield made("Div", [apart, root], out)
            return
        yield made("Div", [apart, root], normal)
        yield made("Mul", [normal, self._constant(f"{out}_scale", scale)], scaled)
        yield made("Add", [scaled, self._constant(f"{out}_bias", bias)], out)

    def _gelu(self, erf: onnx.NodeProto, nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
        """Write x * (1 + erf(x / sqrt(2))) / 2 with the compiler's order of the operations.

        It recognises no other as GELU, and has no code for Erf alone.
        """
        inner = self._makers.get(erf.input[0])
        x = self._scaled(inner, 1 / _ROOT)
        plus = self._only_user(erf)
        if x is None or inner is None or plus is None or self._other(plus, "Add", 1.0) is None:
            return nodes
        first = self._only_user(plus)
        if first is None or first.op_type != "Mul":
            return nodes
        (other,) = [name for name in first.input if name != plus.output[0]] or [""]
        last, gone = first, [erf, plus, first]
        halved = self._makers.get(other)
        if other == x or self._is(other, 0.5):
            second = self._only_user(first)
            factor = 0.5 if other == x else None
            if second is None or second.op_type != "Mul":
                return nodes
            left = [name for name in second.input if name != first.output[0]]
            if len(left) != 1 or not (self._is(left[0], factor) if factor else left[0] == x):
                return nodes
            last = second
            gone.append(second)
            if other == x and inner.op_type == "Div":
                return nodes  # It is written so.
        elif halved is None or self._scaled(halved, 0.5) != x:
            return nodes
        return self._in_order(x, last, gone, nodes)

    def _in_order(
        self, x: str, last: onnx.NodeProto, gone: list[onnx.NodeProto], nodes: list[onnx.NodeProto]
    ) -> list[onnx.NodeProto]:
        out = last.output[0]
        a, b, c, d = (f"{out}_gelu{number}" for number in range(4))
        root, one, half = (
            self._constant(f"{out}_{name}", value)
            for name, value in (("root", _ROOT), ("one", 1.0), ("half", 0.5))
        )
        new = [
            helper.make_node("Div", [x, root], [a], name=a),
            helper.make_node("Erf", [a], [b], name=b),
            helper.make_node("Add", [b, one], [c], name=c),
            helper.make_node("Mul", [x, c], [d], name=d),
            helper.make_node("Mul", [d, half], [out], name=last.name or out),
        ]
        kept: list[onnx.NodeProto] = []
        for node in nodes:
            if node is last:
                kept += new
            elif not any(node is one for one in gone):
                kept.append(node)
        return _used(kept, self._results)

    def _only_user(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        users = self._users.get(node.output[0], [])
        return users[0] if len(users) == 1 and node.output[0] not in self._results else None

    def _scaled(self, node: onnx.NodeProto | None, factor: float) -> str | None:
        """Return what a node multiplies by `factor`; None when it does something else."""
        if node is None:
            return None
        if node.op_type == "Div" and self._is(node.input[1], 1 / factor):
            return str(node.input[0])
        return self._other(node, "Mul", factor)

    def _other(self, node: onnx.NodeProto, kind: str, value: float) -> str | None:
        """Return the input of an Add or Mul beside the constant `value`; None without such."""
        if node.op_type != kind:
            return None
        left = [name for name in node.input if not self._is(name, value)]
        return left[0] if len(left) == 1 else None

    def _is(self, name: str, value: float) -> bool:
        """Say whether a tensor is one number, `value` to within float32's rounding."""
        if math.prod(self._constants.shape(name) or ()) != 1 or name not in self._constants:
            return False
        return math.isclose(float(self._constants[name].ravel()[0]), value, rel_tol=1e-4)

    def _constant(self, name: str, values: object) -> str:
        self._graph.initializer.append(
            numpy_helper.from_array(np.asarray(values, np.float32), name)
        )
        return name


def _used(nodes: list[onnx.NodeProto], results: set[str]) -> list[onnx.NodeProto]:
    """Return the nodes of which something is used."""
    wanted, kept = set(results), []
    for node in reversed(nodes):
        if not wanted.isdisjoint(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]
