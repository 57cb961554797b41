"""The float model as the compiler gets it: cut, lowered, and its boxes in the camera's unit."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from .cutting import cut
from .lowering import lower
from .model import YOLOV5_DETECT, Network, NetworkInput

Array: TypeAlias = npt.NDArray[np.float32]

_BOX_SIDES = 4


def prepare(model: onnx.ModelProto, network: Network) -> onnx.ModelProto:
    """The part of `model` that becomes the cvimodel, at IR 8 and opset 17 at most, its input with
    the channels first.

    `model` must have its shapes inferred. Raises UnsupportedModelError for an operator that cannot
    be lowered.
    """
    prepared = lower(cut(model, network.input.name, network.cut_at))
    if network.input.channels_last:
        _channels_first(prepared, network.input)
    if network.family == YOLOV5_DETECT:
        _boxes_to_fractions(prepared, network)
    return prepared


def output_scales(
    network: Network,
) -> tuple[Array, ...]:
    """What `prepare` multiplies each output with; 1 where it leaves them alone."""
    if network.family != YOLOV5_DETECT:
        return tuple(np.ones(1, np.float32) for _ in network.cut_at)
    factors = np.ones(5 + network.classes, np.float32)
    factors[:_BOX_SIDES] /= network.input.width
    return (factors,)


def fractions_name(output: str) -> str:
    """The tensor that holds `output` with its boxes as fractions of the input."""
    return f"{output}_fractions"


def _channels_first(model: onnx.ModelProto, image: NetworkInput) -> None:
    """Let the input be [1, 3, H, W].

    The compiler has an option for channels that come last, but cannot fuse the preprocessing into
    such an input ('tpu.ScaleLut' op attribute 'bias' failed to satisfy constraint), and it loses a
    turn at the input that another one takes back; so these are left out here.
    """
    graph = model.graph
    turned = f"{image.name}_channels_last"
    renamed, kept = {image.name: turned}, []
    for node in graph.node:
        turn = next((list(a.ints) for a in node.attribute if a.name == "perm"), None)
        if node.op_type == "Transpose" and node.input[0] == image.name and turn == [0, 3, 1, 2]:
            renamed[node.output[0]] = image.name
        else:
            kept.append(node)
    for node in kept:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    if any(turned in node.input for node in kept):
        perm = [0, 2, 3, 1]
        kept.insert(
            0, helper.make_node("Transpose", [image.name], [turned], name=turned, perm=perm)
        )
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(nodes)
    planes = (1, 3, image.height, image.width)
    graph.input[0].CopyFrom(helper.make_tensor_value_info(image.name, TensorProto.FLOAT, planes))


def _boxes_to_fractions(model: onnx.ModelProto, network: Network) -> None:
    """Divide the boxes of the one output [1, 3N, 5 + nc] by the side of the input.

    SSCMA-Micro `ma_model_yolov5.cpp` takes numbers for fractions, and scores as they are, when the
    first number of all is below 1; else for pixels, and scores for percent.
    """
    (output,) = network.cut_at
    (factors,) = output_scales(network)
    name = fractions_name(output)
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(factors, f"{name}_factors"))
    graph.node.append(helper.make_node("Mul", [output, f"{name}_factors"], [name], name=name))
    graph.output[0].name = name
