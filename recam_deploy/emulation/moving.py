"""The chip's operators that move values or choose among them, of any type."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from ..errors import SimulatorError
from .graph import NetworkGraph, unknown
from .lowered import Operator


def take_input(graph: NetworkGraph, operator: Operator, source: str) -> str:
    """Convert the picture to float32; rows are padded to the width that the compiler gave them."""
    value = graph.add("Cast", source, to=TensorProto.FLOAT)
    given, wanted = operator.inputs[0].shape, operator.output.shape
    if np.prod(given) == np.prod(wanted):
        return graph.reshape(value, wanted)
    rows = (*wanted[:-1], int(np.prod(given) // np.prod(wanted[:-1])))
    if np.prod(rows) != np.prod(given) or rows[-1] > wanted[-1]:
        raise SimulatorError(f"the input {given} cannot be laid out as {wanted}")
    pads = [0] * (2 * len(wanted) - 1) + [wanted[-1] - rows[-1]]
    return graph.add("Pad", graph.reshape(value, rows), graph.constant(pads, np.int64))


def reshape(graph: NetworkGraph, operator: Operator) -> str:
    """Change the shape."""
    return graph.reshape(graph.tensor(operator), operator.output.shape)


def permute(graph: NetworkGraph, operator: Operator) -> str:
    """Change the order of the axes."""
    return graph.add("Transpose", graph.tensor(operator), perm=operator.numbers("order"))


def cut(graph: NetworkGraph, operator: Operator) -> str:
    """Cut a part out along every axis."""
    value = graph.tensor(operator)
    starts, steps = operator.numbers("offset"), operator.numbers("steps")
    shape = operator.output.shape
    if shape == operator.inputs[0].shape and all(step == 1 for step in steps):
        return value
    ends = [start + size * step for start, size, step in zip(starts, shape, steps, strict=True)]
    parts = [graph.constant(one, np.int64) for one in (starts, ends, range(len(shape)), steps)]
    return graph.add("Slice", value, *parts)


def depth_to_space(graph: NetworkGraph, operator: Operator) -> str:
    """Move blocks of pixels into channels, as the first layer of YOLOX does, or back.

    Channel `(row * block + column) * channels + channel`, which is ONNX's order of SpaceToDepth.
    """
    block = int(operator.number("block_h"))
    known = (
        operator.number("block_w") == block
        and operator.has("in_is_NCHW")
        and operator.has("out_is_NCHW")
        and not operator.has("is_CRD")
    )
    if not known:
        raise unknown(operator)
    value = graph.tensor(operator)
    n, c, h, w = operator.inputs[0].shape
    swapped = operator.has("swap_cr")
    if operator.has("is_inversed"):
        split = graph.reshape(value, (n, c, h // block, block, w // block, block))
        order = (0, 5, 3, 1, 2, 4) if swapped else (0, 3, 5, 1, 2, 4)
    else:
        split = graph.reshape(value, (n, block, block, c // block**2, h, w))
        order = (0, 3, 4, 2, 5, 1) if swapped else (0, 3, 4, 1, 5, 2)
    return graph.reshape(graph.add("Transpose", split, perm=order), operator.output.shape)


def max_pool(graph: NetworkGraph, operator: Operator) -> str:
    """Take the greatest of each window."""
    return graph.add(
        "MaxPool",
        graph.tensor(operator),
        kernel_shape=operator.numbers("kernel_shape"),
        pads=operator.numbers("pads"),
        strides=operator.numbers("strides"),
    )
