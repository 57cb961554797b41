"""Prepare the float model for the compiler: cut it, lower it, and set its boxes' unit."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from .cutting import cut
from .exact_boxes import compute_boxes_exactly
from .lowering import lower
from .model import YOLOV5_DETECT, Network, NetworkInput

Array: TypeAlias = npt.NDArray[np.float32]

_BOX_SIDES = 4


def prepare(model: onnx.ModelProto, network: Network) -> onnx.ModelProto:
    """Return the part of `model` that becomes the cvimodel, at IR 8 and opset 17 at most.

    Its input has the channels first, and what stays in BF16 computes boxes exactly. `model` must
    have its shapes inferred. Raises UnsupportedModelError for an operator that cannot be lowered.
    """
    prepared = lower(cut(model, network.input.name, network.cut_at))
    if network.input.channels_last:
        _channels_first(prepared, network.input)
    if network.float_tail:
        compute_boxes_exactly(prepared.graph)
    if network.family == YOLOV5_DETECT:
        _boxes_to_fractions(prepared, network)
    return prepared


def output_scales(
    network: Network,
) -> tuple[Array, ...]:
    """Return the factors by which `prepare` multiplies each output; 1 for unchanged ones."""
    if network.family != YOLOV5_DETECT:
        return tuple(np.ones(1, np.float32) for _ in network.cut_at)
    factors = np.ones(5 + network.classes, np.float32)
    factors[:_BOX_SIDES] /= network.input.width
    return (factors,)


def fractions_name(output: str) -> str:
    """Name the tensor that holds `output` with its boxes as fractions of the input."""
    return f"{output}_fractions"


def _channels_first(model: onnx.ModelProto, image: NetworkInput) -> None:
    """Change the input to [1, 3, H, W], in place.

    The compiler has an option for channels that come last, but cannot fuse the preprocessing into
    such an input ('tpu.ScaleLut' op attribute 'bias' failed to satisfy constraint). It also drops a
    transpose of the input that another one undoes, so transposes to channels first are removed.
    """
    graph = model.graph
    transposed = f"{image.name}_channels_last"
    renamed, kept = {image.name: transposed}, []
    for node in graph.node:
        axes = next((list(a.ints) for a in node.attribute if a.name == "perm"), None)
        if node.op_type == "Transpose" and node.input[0] == image.name and axes == [0, 3, 1, 2]:
            renamed[node.output[0]] = image.name
        else:
            kept.append(node)
    for node in kept:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    if any(transposed in node.input for node in kept):
        name, perm = transposed, [0, 2, 3, 1]
        kept.insert(0, helper.make_node("Transpose", [image.name], [name], name=name, perm=perm))
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(nodes)
    planes = (1, 3, image.height, image.width)
    graph.input[0].CopyFrom(helper.make_tensor_value_info(image.name, TensorProto.FLOAT, planes))


def _boxes_to_fractions(model: onnx.ModelProto, network: Network) -> None:
    """Divide the boxes of the one output [1, 3N, 5 + nc] by the side of the input, in place.

    SSCMA-Micro `ma_model_yolov5.cpp` looks at the first number of all. Below 1, it reads boxes as
    fractions and scores as they are; else boxes as pixels and scores as percent.
    """
    (output,) = network.cut_at
    (factors,) = output_scales(network)
    name = fractions_name(output)
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(factors, f"{name}_factors"))
    graph.node.append(helper.make_node("Mul", [output, f"{name}_factors"], [name], name=name))
    graph.output[0].name = name
