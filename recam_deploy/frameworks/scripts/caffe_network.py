"""A Caffe network as an ONNX model, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from caffe_layers import LAYERS, unsupported
from exporting import ExportRefusedError
from onnx import TensorProto, helper, numpy_helper

_OPSET, _IR = 17, 8
_ALIASES = frozenset({"Dropout", "Split"})
_IGNORED = frozenset({"Input", "Silence", "Accuracy", "DummyData"})
_SMALL = 64


class Translator:
    """Translates one network, a `caffe_pb2.NetParameter` with its weights, layer by layer.

    `image_size` is the height and width of its one input. `ends` are the layers that make the ONNX
    model's outputs, in their order, each with the place among its own outputs.
    """

    def __init__(self, network: Any) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        # A blob's name to the tensor that holds it now: layers may work in place.
        self._blobs: dict[str, str] = {}
        self._made_by: dict[str, tuple[str, int]] = {}
        self._used: set[str] = set()
        self._input, shape = _input_of(network)
        self._shape = (1, *shape[1:])
        self.image_size: tuple[int, int] = (shape[2], shape[3])
        self._blobs[self._input] = self._input
        for layer in network.layer:
            if layer.type not in _IGNORED and not _only_in_training(layer):
                self._translate(layer)
        ends = [name for name in self._blobs.values() if name not in self._used]
        self._outputs = [name for name in dict.fromkeys(ends) if name != self._input]
        self.ends = [self._made_by[name] for name in self._outputs]

    def model(self) -> onnx.ModelProto:
        """The whole ONNX model, with the shapes of its outputs."""
        shapes = [self._shape_of(name) for name in self._outputs]
        return self._model(
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in zip(self._outputs, shapes, strict=True)
            ],
            self._weights,
            [],
        )

    def _model(
        self, outputs: Sequence[Any], weights: Sequence[Any], more_inputs: Sequence[Any]
    ) -> onnx.ModelProto:
        image = helper.make_tensor_value_info(self._input, TensorProto.FLOAT, self._shape)
        graph = helper.make_graph(
            self._nodes, "network", [image, *more_inputs], list(outputs), list(weights)
        )
        opset = helper.make_opsetid("", _OPSET)
        return helper.make_model(graph, ir_version=_IR, opset_imports=[opset])

    def _translate(self, layer: Any) -> None:
        inputs = [self._blobs[name] for name in layer.bottom if name in self._blobs]
        if not inputs or len(inputs) != len(layer.bottom):
            raise unsupported(layer, "takes something that no layer before it makes")
        if layer.type in _ALIASES:
            self._blobs.update(dict.fromkeys(layer.top, inputs[0]))
            return
        translate = LAYERS.get(layer.type)
        if translate is None:
            raise unsupported(layer, "is none that is known here")
        self._used.update(inputs)
        # Named after the layer, for a blob's name is used again by layers that work in place.
        names = [layer.name] if len(layer.top) == 1 else [f"{layer.name}/{t}" for t in layer.top]
        translate(self, layer, inputs, names)
        for index, (top, name) in enumerate(zip(layer.top, names, strict=True)):
            self._blobs.pop(top, None)
            self._blobs[top] = name
            self._made_by[name] = (layer.name, index)

    def add(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], **more: Any
    ) -> None:
        """Append one operator."""
        self._nodes.append(
            helper.make_node(operator, list(inputs), list(outputs), name=outputs[0], **more)
        )

    def weight(self, name: str, values: Any, kind: Any = np.float32) -> str:
        """Append a constant; returns its name."""
        self._weights.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def shape(self, name: str) -> list[int]:
        """The sizes of a tensor that was made before."""
        return self._shape_of(name)

    def _shape_of(self, name: str) -> list[int]:
        if name == self._input:
            return list(self._shape)
        # Weights go in as inputs, which spares copying them.
        small = [t for t in self._weights if math.prod(t.dims) <= _SMALL]
        large = [
            helper.make_tensor_value_info(t.name, t.data_type, list(t.dims))
            for t in self._weights
            if math.prod(t.dims) > _SMALL
        ]
        wanted = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        inferred = onnx.shape_inference.infer_shapes(
            self._model([wanted], small, large), strict_mode=True
        )
        sides = inferred.graph.output[0].type.tensor_type.shape.dim
        return [int(side.dim_value) for side in sides]


def _input_of(network: Any) -> tuple[str, list[int]]:
    layers = [layer for layer in network.layer if layer.type == "Input"]
    names = [*network.input, *(layer.top[0] for layer in layers)]
    if len(names) != 1:
        raise ExportRefusedError(
            f"the network has {len(names)} inputs; the camera feeds exactly one image",
            "Remove the others from the .prototxt.",
        )
    shapes = [*network.input_shape, *(s for layer in layers for s in layer.input_param.shape)]
    sides = list(shapes[0].dim) if shapes else list(network.input_dim)
    if len(sides) != 4 or sides[1] != 3:
        raise ExportRefusedError(
            f"the input's shape {sides} is not one picture of three channels (N, 3, H, W)",
            "Give the deploy.prototxt of a network that takes a picture.",
        )
    return names[0], [int(side) for side in sides]


def _only_in_training(layer: Any) -> bool:
    return any(rule.HasField("phase") and rule.phase == 0 for rule in layer.include)
