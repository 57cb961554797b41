"""The chip's operators on BF16 tensors: float32 sums, results rounded to bfloat16.

Equal to the simulator of tpu_mlir 1.7 to the last bit, but for the sums of convolutions and matrix
products: float32 sums depend on their order, so a result may be one step of bfloat16 off.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from . import moving
from .graph import NetworkGraph, bf16, unknown
from .int8 import transposed_kernel, window
from .lowered import Operator

_TABLE = 256
_EXPONENTIAL_RANGE = 15.0


def convolve(graph: NetworkGraph, operator: Operator) -> str:
    """Add a convolution, or a transposed one."""
    kernel = graph.weights(operator, 1)
    kind = "Conv"
    if operator.kind == "Deconv":
        kind, kernel = "ConvTranspose", transposed_kernel(operator, kernel)
    constants = [graph.constant(kernel)]
    bias = graph.optional_weights(operator, 2)
    if bias is not None:
        constants.append(graph.constant(bias.astype(np.float32).reshape(-1)))
    group = int(operator.number("group"))
    value = graph.add(kind, graph.tensor(operator), *constants, group=group, **window(operator))
    return _finish(graph, operator, value)


def multiply_matrices(graph: NetworkGraph, operator: Operator) -> str:
    """Multiply two matrices, and add a bias where there is one."""
    if operator.has("output_transpose") or operator.has("hdim_is_batch"):
        raise unknown(operator)
    left, right, *bias = graph.tensors(operator)
    for name, place in (("left_transpose", 0), ("right_transpose", 1)):
        if operator.has(name):
            order = list(range(len(operator.inputs[place].shape)))
            order[-2:] = reversed(order[-2:])
            turned = graph.add("Transpose", (left, right)[place], perm=order)
            left, right = (turned, right) if place == 0 else (left, turned)
    product = graph.add("MatMul", left, right)
    if bias:
        product = graph.add("Add", product, bias[0])
    return _finish(graph, operator, product)


def combine(graph: NetworkGraph, operator: Operator) -> str:
    """Add or multiply tensors, each of a sum times its coefficient."""
    values = graph.tensors(operator)
    factors = operator.attributes.get("coeff", (1.0,) * len(values))
    if not isinstance(factors, tuple) or not {*factors} <= {1.0, -1.0}:
        raise unknown(operator)
    signed = [
        value if factor == 1 else graph.scaled(value, factor)
        for value, factor in zip(values, factors, strict=True)
    ]
    total = signed[0]
    for value in signed[1:]:
        total = graph.to_bf16(graph.add(operator.kind, total, value))
    return _finish(graph, operator, total)


def concatenate(graph: NetworkGraph, operator: Operator) -> str:
    """Concatenate tensors."""
    joined = graph.add("Concat", *graph.tensors(operator), axis=int(operator.number("axis")))
    return graph.add("Relu", joined) if operator.has("do_relu") else joined


def pool(graph: NetworkGraph, operator: Operator) -> str:
    """Take the greatest or the mean of each window."""
    if operator.attributes.get("pool_mode") != "Avg":
        return moving.max_pool(graph, operator)
    counted = int(operator.has("count_include_pad"))
    value = graph.tensor(operator)
    mean = graph.add("AveragePool", value, count_include_pad=counted, **window(operator))
    return _finish(graph, operator, mean)


def look_up(graph: NetworkGraph, operator: Operator) -> str:
    """Interpolate in a table of values and slopes, as for SiLU and Sigmoid."""
    if operator.attributes.get("lut_mode") != "Slope":
        raise unknown(operator)
    values, slopes = (_table(graph, operator, place) for place in (1, 2))
    low, high = operator.number("min_range"), operator.number("max_range")
    return interpolated(graph, graph.tensor(operator), values, slopes, low, high)


def interpolated(
    graph: NetworkGraph,
    value: str,
    values: npt.NDArray[np.float32],
    slopes: npt.NDArray[np.float32],
    low: float,
    high: float,
) -> str:
    """Interpolate in tables of 256 entries between `low` and `high`, that of zero first."""
    place = graph.to_bf16(graph.scaled(value, bf16(np.float32(_TABLE / (high - low)))))
    # Cast truncates, as the chip does here.
    entry = graph.add("Cast", graph.clip(place, -128, 127), to=TensorProto.INT32)
    whole = graph.add("Cast", entry, to=TensorProto.FLOAT)
    rest = graph.to_bf16(graph.add("Sub", place, whole))
    index = graph.add("Add", whole, graph.constant(128))
    base, slope = (graph.looked_up(index, np.roll(table, 128)) for table in (values, slopes))
    return graph.to_bf16(graph.add("Add", base, graph.add("Mul", slope, rest)))


def softmax(graph: NetworkGraph, operator: Operator) -> str:
    """Compute a softmax from a table of exponentials, the sum rounded, and its inverse rounded.

    The chip looks the inverse up by exponent and mantissa, which gives the rounded inverse.
    """
    if operator.has("log") or operator.number("beta") != 1:
        raise unknown(operator)
    value = graph.tensor(operator)
    axis = int(operator.number("axis"))
    values, slopes = (_table(graph, operator, place) for place in (1, 2))
    greatest = graph.add("ReduceMax", value, axes=[axis], keepdims=1)
    below = graph.to_bf16(graph.add("Sub", value, greatest))
    powers = interpolated(graph, below, values, slopes, -_EXPONENTIAL_RANGE, _EXPONENTIAL_RANGE)
    axes = graph.constant([axis], np.int64)
    total = graph.to_bf16(graph.add("ReduceSum", powers, axes, keepdims=1))
    inverse = graph.to_bf16(graph.add("Div", graph.constant(1), total))
    return graph.to_bf16(graph.add("Mul", powers, inverse))


def _table(graph: NetworkGraph, operator: Operator, place: int) -> npt.NDArray[np.float32]:
    return graph.weights(operator, place).reshape(_TABLE)


def _finish(graph: NetworkGraph, operator: Operator, value: str) -> str:
    if operator.has("do_relu"):
        value = graph.add("Relu", value)
        limit = operator.attributes.get("relu_limit")
        if isinstance(limit, float) and limit > 0:
            value = graph.clip(value, 0, limit)
    return graph.to_bf16(value)
