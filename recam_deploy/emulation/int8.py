"""The chip's operators on INT8 tensors, exact to the last bit.

The arithmetic was measured against the simulator of tpu_mlir 1.7: sums in int32, roundings as
`graph` has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from ..errors import SimulatorError
from . import moving
from .graph import NetworkGraph, bf16, unknown
from .lowered import UINT8, Operator

# float32 holds whole numbers up to this one, so a sum below it is exact in any order.
_EXACT = 2.0**24
_GREATEST = 128.0


def convolve(graph: NetworkGraph, operator: Operator) -> str:
    """Add a convolution, and requantize its sums.

    Where a sum could be too large for float32, the input's channels are taken in several parts.
    """
    kernel, value = graph.weights(operator, 1), graph.tensor(operator)
    group = int(operator.number("group"))
    parts = _parts(operator, np.abs(kernel).sum(axis=(2, 3)), group)
    sums = []
    for first, last in parts:
        taken = value
        if len(parts) > 1:
            ends = [graph.constant([one], np.int64) for one in (first, last, 1)]
            taken = graph.add("Slice", value, *ends)
        part = graph.constant(kernel[:, first:last])
        sums.append(graph.add("Conv", taken, part, group=group, **window(operator)))
    return _requantize(graph, operator, sums)


def deconvolve(graph: NetworkGraph, operator: Operator) -> str:
    """Add a transposed convolution, and requantize its sums."""
    kernel = transposed_kernel(operator, graph.weights(operator, 1))
    _parts(operator, np.abs(kernel).sum(axis=(0, 2, 3))[:, None], 0)
    sums = graph.add(
        "ConvTranspose",
        graph.tensor(operator),
        graph.constant(kernel),
        group=int(operator.number("group")),
        **window(operator),
    )
    return _requantize(graph, operator, [sums])


def transposed_kernel(
    operator: Operator, kernel: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return a Deconv's kernel [groups, out, in, h, w] as ONNX has it: [groups x in, out, h, w]."""
    groups = int(operator.number("group"))
    given, made = operator.inputs[0].shape[1], operator.output.shape[1]
    size = operator.numbers("kernel_shape")
    split = kernel.reshape(groups, made // groups, given // groups, *size)
    return np.ascontiguousarray(split.transpose(0, 2, 1, 3, 4).reshape(given, -1, *size))


def multiply_matrices(graph: NetworkGraph, operator: Operator) -> str:
    """Multiply with a constant matrix, and requantize the sums."""
    if operator.has("left_transpose") or operator.has("output_transpose"):
        raise unknown(operator)
    matrix = graph.weights(operator, 1)
    if operator.has("right_transpose"):
        matrix = np.swapaxes(matrix, -1, -2)
    _parts(operator, np.abs(matrix).sum(axis=-2)[..., None], 0)
    sums = graph.add("MatMul", graph.tensor(operator), graph.constant(matrix))
    bias = _bias(graph, operator, matrix.shape[-1])
    multipliers, shifts = (
        np.array(operator.numbers(name), np.float64) for name in ("multipliers", "rshifts")
    )
    return graph.requantized([sums], multipliers, shifts, bias, relu=operator.has("do_relu"))


def look_up(graph: NetworkGraph, operator: Operator) -> str:
    """Replace each value by the table's, which begins with 0 and goes on with -128."""
    value, table = graph.tensor(operator), graph.weights(operator, 1).reshape(-1)
    if operator.inputs[0].stored == UINT8:
        return graph.looked_up(value, table)
    return graph.looked_up(graph.add("Add", value, graph.constant(128)), np.roll(table, 128))


def add_up(graph: NetworkGraph, operator: Operator) -> str:
    """Add tensors, each times its multiplier, and shift the sum."""
    total = ""
    for value, multiplier in zip(
        graph.tensors(operator), operator.numbers("multipliers"), strict=True
    ):
        scaled = value if multiplier == 1 else graph.scaled(value, multiplier)
        total = graph.add("Add", total, scaled) if total else scaled
    (shift,) = operator.numbers("rshifts")
    return graph.shifted(total, 1, shift, relu=operator.has("do_relu"))


def multiply(graph: NetworkGraph, operator: Operator) -> str:
    """Multiply two tensors, and requantize the products, which float32 holds exactly."""
    if operator.attributes.get("quant_mode") != "QDM":
        raise unknown(operator)
    product = graph.add("Mul", *graph.tensors(operator))
    multiplier, shift = (np.array(operator.number(name)) for name in ("multiplier", "rshift"))
    relu = operator.has("do_relu")
    return graph.requantized([product], multiplier, shift, np.zeros(()), relu=relu)


def concatenate(graph: NetworkGraph, operator: Operator) -> str:
    """Concatenate tensors, each converted to the result's scale."""
    values = graph.tensors(operator)
    parts = zip(values, operator.numbers("multipliers"), operator.numbers("rshifts"), strict=True)
    relu = operator.has("do_relu")
    converted = [graph.shifted(value, factor, shift, relu=relu) for value, factor, shift in parts]
    return graph.add("Concat", *converted, axis=int(operator.number("axis")))


def pool(graph: NetworkGraph, operator: Operator) -> str:
    """Take the greatest of each window, or sum it up and requantize the sums."""
    if operator.attributes.get("pool_mode") != "Avg":
        return moving.max_pool(graph, operator)
    height, width = operator.numbers("kernel_shape")
    channels = operator.inputs[0].shape[1]
    sums = graph.add(
        "Conv",
        graph.tensor(operator),
        graph.constant(np.ones((channels, 1, height, width), np.float32)),
        group=channels,
        kernel_shape=(height, width),
        pads=operator.numbers("pads"),
        strides=operator.numbers("strides"),
    )
    multiplier, shift = int(operator.number("multiplier")), int(operator.number("rshift"))
    return graph.to_int8(graph.scaled(sums, multiplier * 2.0**-shift), relu=operator.has("do_relu"))


def to_float(graph: NetworkGraph, operator: Operator) -> str:
    """Convert to bfloat16: the product of the value and its scale, each rounded to it.

    The value goes through an integer type, which knows no negative zero, as the chip's does.
    """
    whole = graph.add("Cast", graph.tensor(operator), to=TensorProto.INT32)
    value = graph.add("Cast", whole, to=TensorProto.FLOAT)
    return graph.to_bf16(graph.scaled(value, bf16(operator.inputs[0].scale)))


def from_float(graph: NetworkGraph, operator: Operator) -> str:
    """Convert from bfloat16: the product with the scale's inverse, each rounded to it."""
    steps = graph.scaled(graph.tensor(operator), bf16(np.float32(1 / operator.output.scale)))
    return graph.to_int8(graph.to_bf16(steps))


def _requantize(graph: NetworkGraph, operator: Operator, sums: Sequence[str]) -> str:
    if operator.attributes.get("quant_mode") != "QDM":
        raise unknown(operator)
    channels = operator.output.shape[1]
    each = (1, channels, *[1] * (len(operator.output.shape) - 2))
    multipliers, shifts = (
        np.broadcast_to(np.array(operator.numbers(name), np.float64), channels).reshape(each)
        for name in ("multiplier", "rshift")
    )
    bias = _bias(graph, operator, channels).reshape(each)
    return graph.requantized(sums, multipliers, shifts, bias, relu=operator.has("do_relu"))


def _bias(graph: NetworkGraph, operator: Operator, channels: int) -> npt.NDArray[np.float64]:
    bias = graph.optional_weights(operator, 2)
    return np.zeros(channels) if bias is None else bias.astype(np.float64).reshape(channels)


def window(operator: Operator) -> dict[str, tuple[int, ...]]:
    names = ("kernel_shape", "pads", "strides", "dilations")
    return {name: operator.numbers(name) for name in names if name in operator.attributes}


def _parts(
    operator: Operator, weights: npt.NDArray[np.float32], group: int
) -> list[tuple[int, int]]:
    """Return the parts of the input's channels whose sums float32 holds exactly.

    `weights` are the sums of magnitudes [sums, channels]. Raises SimulatorError when one channel
    alone can be too large, or when there are several groups, or none.
    """
    channels = weights.shape[1]
    for count in range(1, channels + 1 if group == 1 else 2):
        edges = [channels * one // count for one in range(count + 1)]
        parts = list(pairwise(edges))
        if all(weights[:, a:b].sum(axis=1).max() * _GREATEST < _EXACT for a, b in parts):
            return parts
    raise SimulatorError(f"the sums of {operator.name} are too large to be exact")
