"""Tiny ONNX models made on the spot: detection heads on a few convolutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 64


class Builder:
    """Collects nodes and weights; every method returns the name of the tensor it makes."""

    def __init__(self, seed: int = 0) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(seed)

    def constant(self, name: str, values: object, dtype: type = np.int64) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=output, **attributes))
        return output

    def conv(self, source: str, output: str, channels: tuple[int, int], stride: int = 1) -> str:
        kernel = 3 if stride > 1 else 1
        weight = self._random.normal(0, 0.2, (channels[1], channels[0], kernel, kernel))
        name = self.constant(f"{output}_w", weight, np.float32)
        return self.node(
            "Conv", [source, name], output, strides=[stride] * 2, pads=[kernel // 2] * 4
        )

    def model(
        self,
        outputs: Mapping[str, Sequence[int | str]],
        *,
        inputs: Mapping[str, Sequence[int | str]] | None = None,
        input_type: int = TensorProto.FLOAT,
        opset: int = 17,
        ir: int = 8,
        metadata: dict[str, str] | None = None,
    ) -> onnx.ModelProto:
        inputs = inputs or {"images": [1, 3, SIZE, SIZE]}
        graph = helper.make_graph(
            self.nodes,
            "tiny",
            [helper.make_tensor_value_info(n, input_type, list(s)) for n, s in inputs.items()],
            [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, list(s))
                for n, s in outputs.items()
            ],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = ir
        for key, value in (metadata or {}).items():
            model.metadata_props.add(key=key, value=value)
        return model


def backbone(builder: Builder, image: str = "images") -> dict[int, str]:
    """Feature maps with 8 channels at strides 8, 16 and 32."""
    features, source, channels = {}, image, 3
    for stride in (2, 4, 8, 16, 32):
        source = builder.conv(source, f"f{stride}", (channels, 8), stride=2)
        source = builder.node("Relu", [source], f"r{stride}")
        channels = 8
        features[stride] = source
    return {stride: features[stride] for stride in (8, 16, 32)}


def with_branches(
    branches: dict[str, int], outputs: Mapping[str, Sequence[int]], *, task: str = "detect"
) -> onnx.ModelProto:
    """A model with the given head branches (name: channels) on each scale, all of them joined into
    the first of `outputs`; a second one is a plane of 32 channels at stride 4."""
    builder = Builder()
    flat = []
    for stride, feature in backbone(builder).items():
        for name, channels in branches.items():
            conv = builder.conv(feature, f"head{stride}_{name}", (8, channels))
            rows = builder.constant(f"rows{stride}{name}", [1, -1])
            flat.append(builder.node("Reshape", [conv, rows], f"flat{stride}{name}"))
    joined = builder.node("Concat", flat, "joined", axis=1)
    first, *others = outputs
    size = int(np.prod(outputs[first]))
    cut = builder.node(
        "Slice",
        [
            joined,
            builder.constant("from", [0]),
            builder.constant("to", [size]),
            builder.constant("axis", [1]),
        ],
        "sliced",
    )
    shape = builder.constant("out_shape", list(outputs[first]))
    builder.node("Reshape", [builder.node("Sigmoid", [cut], "sigmoid"), shape], first)
    for name in others:
        plane = builder.conv("images", f"{name}_plane", (3, 8), stride=2)
        builder.conv(plane, name, (8, 32), stride=2)
    classes = {i: f"class {i}" for i in range(branches.get("cls", 1))}
    return builder.model(outputs, metadata={"task": task, "names": str(classes)})


def detector(
    classes: int = 3,
    *,
    style: str = "yolo11",
    size: int = SIZE,
    names: dict[int, str] | None = None,
    **options: Any,
) -> onnx.ModelProto:
    """A whole detector with DFL heads and its decoding, as exporters lay it out.

    `style` "yolo11" joins all boxes and all classes apart; "yolov8" joins both a scale first;
    "cut" ends at the heads, classes first.
    """
    builder = Builder()
    heads = [
        (
            builder.conv(feature, f"head{stride}_box", (8, 64)),
            builder.conv(feature, f"head{stride}_cls", (8, classes)),
        )
        for stride, feature in backbone(builder).items()
    ]
    metadata = (
        {"names": str(names or {i: f"class {i}" for i in range(classes)})} if names != {} else {}
    )
    cells = sum((size // stride) ** 2 for stride in (8, 16, 32))
    keywords: dict[str, Any] = {
        "inputs": {"images": [1, 3, size, size]},
        "metadata": metadata,
        **options,
    }
    if style == "cut":
        shapes = {}
        for stride, (box, logits) in zip((8, 16, 32), heads, strict=True):
            shapes[logits] = [1, classes, size // stride, size // stride]
            shapes[box] = [1, 64, size // stride, size // stride]
        return builder.model(shapes, **keywords)
    boxes, logits = _joined(builder, heads, classes, style)
    output = _decoded(builder, boxes, logits, cells)
    return builder.model({output: [1, 4 + classes, cells]}, **keywords)


def _joined(
    builder: Builder, heads: list[tuple[str, str]], classes: int, style: str
) -> tuple[str, str]:
    """All boxes [1, 64, N] and all logits [1, classes, N]."""
    if style == "yolov8":
        rows = builder.constant("rows", [1, 64 + classes, -1])
        flat = [
            builder.node(
                "Reshape",
                [builder.node("Concat", pair, f"pair{i}", axis=1), rows],
                f"flat{i}",
            )
            for i, pair in enumerate(heads)
        ]
        joined = builder.node("Concat", flat, "joined", axis=2)
        sizes = builder.constant("sizes", [64, classes])
        builder.nodes.append(
            helper.make_node("Split", [joined, sizes], ["all_boxes", "all_logits"], axis=1)
        )
        return "all_boxes", "all_logits"
    results = []
    for kind, channels in ((0, 64), (1, classes)):
        rows = builder.constant(f"rows{kind}", [1, channels, -1])
        flat = [
            builder.node("Reshape", [pair[kind], rows], f"flat{kind}{i}")
            for i, pair in enumerate(heads)
        ]
        results.append(builder.node("Concat", flat, f"all{kind}", axis=2))
    return results[0], results[1]


def _decoded(builder: Builder, boxes: str, logits: str, cells: int) -> str:
    """The distribution over distances, its mean by a convolution, and the scores."""
    shape = builder.constant("dfl_shape", [1, 4, 16, cells])
    split = builder.node("Reshape", [boxes, shape], "dfl_in")
    turned = builder.node("Transpose", [split], "dfl_turned", perm=[0, 2, 1, 3])
    chances = builder.node("Softmax", [turned], "dfl_softmax", axis=1)
    weight = builder.constant("dfl_w", np.arange(16.0).reshape(1, 16, 1, 1), np.float32)
    mean = builder.node("Conv", [chances, weight], "dfl_mean")
    flat = builder.node("Reshape", [mean, builder.constant("box_shape", [1, 4, cells])], "ltrb")
    scores = builder.node("Sigmoid", [logits], "scores")
    return builder.node("Concat", [flat, scores], "output0", axis=1)


def anchored_detector(classes: int = 3, *, with_scales: bool = False) -> onnx.ModelProto:
    """YOLOv5 as its release 7 exports it: three anchors a cell, boxes decoded to pixels.

    `with_scales` also puts out the three scales, as its release 6 did.
    """
    builder = Builder()
    width, parts, shapes = 5 + classes, [], {}
    for stride, feature in backbone(builder).items():
        grid = SIZE // stride
        head = builder.conv(feature, f"head{stride}", (8, 3 * width))
        shape = builder.constant(f"shape{stride}", [1, 3, width, grid, grid])
        apart = builder.node("Reshape", [head, shape], f"apart{stride}")
        scale = builder.node("Transpose", [apart], f"scale{stride}", perm=[0, 1, 3, 4, 2])
        values = builder.node("Sigmoid", [scale], f"sigmoid{stride}")
        sizes = builder.constant(f"sizes{stride}", [2, 2, 1 + classes])
        names = [f"{part}{stride}" for part in ("xy", "wh", "scores")]
        builder.nodes.append(
            helper.make_node("Split", [values, sizes], names, name=f"split{stride}", axis=4)
        )
        rows = _anchored_rows(builder, names, stride, grid)
        flat = builder.constant(f"flat{stride}_shape", [1, 3 * grid * grid, width])
        parts.append(builder.node("Reshape", [rows, flat], f"flat{stride}"))
        shapes[scale] = [1, 3, grid, grid, width]
    builder.node("Concat", parts, "output0", axis=1)
    cells = sum((SIZE // stride) ** 2 for stride in (8, 16, 32))
    outputs = {"output0": [1, 3 * cells, width], **(shapes if with_scales else {})}
    labels = {index: f"class {index}" for index in range(classes)}
    return builder.model(outputs, metadata={"names": str(labels)})


def _anchored_rows(builder: Builder, parts: list[str], stride: int, grid: int) -> str:
    """(2 xy - 0.5 + cell) * stride, (2 wh)**2 * anchor, and the scores."""
    across, down = np.meshgrid(np.arange(grid), np.arange(grid))
    cells = np.stack([across, down], axis=-1)[None, None] - 0.5
    offset = builder.constant(f"cells{stride}", cells, np.float32)
    two = builder.constant(f"two{stride}", 2.0, np.float32)
    pixels = builder.constant(f"pixels{stride}", float(stride), np.float32)
    anchors = np.array([[1.0, 1.5], [2.0, 1.0], [2.0, 2.5]]) * stride
    anchor = builder.constant(f"anchor{stride}", anchors.reshape(1, 3, 1, 1, 2), np.float32)
    double = [builder.node("Mul", [part, two], f"double_{part}") for part in parts[:2]]
    moved = builder.node("Add", [double[0], offset], f"moved{stride}")
    centre = builder.node("Mul", [moved, pixels], f"centre{stride}")
    squared = builder.node("Mul", [double[1], double[1]], f"squared{stride}")
    size = builder.node("Mul", [squared, anchor], f"size{stride}")
    return builder.node("Concat", [centre, size, parts[2]], f"rows{stride}", axis=4)


def ranked_detector() -> onnx.ModelProto:
    """A detector that ranks its own detections, as YOLOv10 does: TopK over all of them."""
    model = detector(3)
    (decoded,) = (value.name for value in model.graph.output)
    model.graph.initializer.append(numpy_helper.from_array(np.array([5]), "count"))
    model.graph.node.append(helper.make_node("TopK", [decoded, "count"], ["best", "index"]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("best", TensorProto.FLOAT, [1, 7, 5]))
    return model


def query_detector() -> onnx.ModelProto:
    """RT-DETR and its like: a list of queries, made from one projection of each scale."""
    builder = Builder()
    flat = []
    for stride, feature in backbone(builder).items():
        projection = builder.conv(feature, f"projection{stride}", (8, 16))
        rows = builder.constant(f"rows{stride}", [1, 16, -1])
        flat.append(builder.node("Reshape", [projection, rows], f"flat{stride}"))
    joined = builder.node("Concat", flat, "joined", axis=2)
    cells = sum((SIZE // stride) ** 2 for stride in (8, 16, 32))
    weight = builder.constant("queries", np.ones((cells, 10)), np.float32)
    mixed = builder.node("MatMul", [joined, weight], "mixed")
    builder.node("Transpose", [mixed], "output0", perm=[0, 2, 1])
    return builder.model({"output0": [1, 10, 16]}, metadata={"names": "{0: 'a'}"})
