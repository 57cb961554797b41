"""Detectors, pose and segmentation models with the whole decoding that exporters write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnx_models import SIZE, Builder, backbone

STRIDES = (8, 16, 32)
CELLS = sum((SIZE // stride) ** 2 for stride in STRIDES)


class Decoder:
    """The heads of a model on a small backbone, and the operators of their decoding.

    `box` is the number of box channels, 64 (DFL) or 4; `classes` and `extra` are those of the other
    tensors. `change` is an operator on the distances, `offset` the place of a cell's own point.
    """

    def __init__(
        self,
        classes: int = 3,
        *,
        box: int = 64,
        extra: int = 0,
        change: str = "",
        offset: float = 0.5,
        prefix: str = "",
    ) -> None:
        self.builder = Builder(seed=classes)
        self.classes, self.extra = classes, extra
        self.boxes: list[str] = []
        self.logits: list[str] = []
        self.rest: list[str] = []
        for stride, feature in backbone(self.builder).items():
            name = f"{prefix}head{stride}"
            self.boxes.append(self.builder.conv(feature, f"{name}_box", (8, box)))
            self.logits.append(self.builder.conv(feature, f"{name}_cls", (8, classes)))
            if extra:
                self.rest.append(self.builder.conv(feature, f"{name}_rest", (8, extra)))
        self.distances = self._distances(box, change)
        grids = [np.mgrid[0 : SIZE // s, 0 : SIZE // s][::-1].reshape(2, -1) for s in STRIDES]
        points = np.concatenate(grids, axis=1).astype(np.float32)
        self.cells = self.builder.constant("cells", points[None], np.float32)
        self.points = self.builder.constant("points", (points + offset)[None], np.float32)
        strides = np.concatenate([np.full((SIZE // s) ** 2, s, np.float32) for s in STRIDES])
        self.strides = self.builder.constant("strides", strides[None, None], np.float32)

    def joined(self, heads: Sequence[str], width: int, name: str) -> str:
        """All scales of one kind of head, [1, width, N]."""
        build = self.builder
        rows = build.constant(f"{name}_shape", [1, width, -1])
        flat = [build.node("Reshape", [h, rows], f"{name}_{i}") for i, h in enumerate(heads)]
        return build.node("Concat", flat, name, axis=2)

    def _distances(self, box: int, change: str) -> str:
        build = self.builder
        distances = self.joined(self.boxes, box, "all_boxes")
        if box == 64:
            shape = build.constant("dfl_shape", [1, 4, 16, CELLS])
            bins = build.node("Reshape", [distances, shape], "dfl_in")
            turned = build.node("Transpose", [bins], "dfl_turned", perm=[0, 2, 1, 3])
            chances = build.node("Softmax", [turned], "dfl_softmax", axis=1)
            steps = build.constant("dfl_w", np.arange(16.0).reshape(1, 16, 1, 1), np.float32)
            mean = build.node("Conv", [chances, steps], "dfl_mean")
            flat = build.constant("sides_shape", [1, 4, CELLS])
            distances = build.node("Reshape", [mean, flat], "dfl_sides")
        return build.node(change, [distances], "changed") if change else distances

    def decoded_boxes(self, form: str = "xywh", divisor: float = 1.0) -> str:
        """Boxes [1, 4, N] in pixels, or in fractions where `divisor` is the side."""
        build = self.builder
        near, far = self.split(self.distances, [2, 2], "sides")
        first = build.node("Sub", [self.points, near], "first")
        second = build.node("Add", [self.points, far], "second")
        if form == "xywh":
            half = build.constant("half", 0.5, np.float32)
            total = build.node("Add", [first, second], "first_and_second")
            size = build.node("Sub", [second, first], "box_size")
            pair = [build.node("Mul", [total, half], "centre"), size]
        else:
            pair = [first, second]
        boxes = build.node("Concat", pair, "boxes_in_cells", axis=1)
        boxes = build.node("Mul", [boxes, self.strides], "boxes_in_pixels")
        if divisor == 1:
            return boxes
        side = build.constant("side", divisor, np.float32)
        return build.node("Div", [boxes, side], "boxes_as_fractions")

    def scores(self, end: str = "Sigmoid") -> str:
        """Scores [1, nc, N]."""
        logits = self.joined(self.logits, self.classes, "all_logits")
        options = {"axis": 1} if end == "Softmax" else {}
        return self.builder.node(end, [logits], "scores", **options) if end else logits

    def key_points(self, times: float = 2.0, offset: float = 0.0) -> str:
        """Key points [1, 3K, N] in pixels."""
        build, count = self.builder, self.extra // 3
        shape = build.constant("points_shape", [1, count, 3, CELLS])
        values = build.node("Reshape", [self.joined(self.rest, self.extra, "rest"), shape], "kpts")
        place, seen = self.split(values, [2, 1], "kpt", axis=2)
        scale = build.constant("kpt_times", times, np.float32)
        moved = build.node("Mul", [place, scale], "kpt_scaled")
        start = build.constant("kpt_offset", offset, np.float32)
        origin = build.node("Add", [self.cells, start], "kpt_origin")
        in_cells = build.node("Add", [moved, origin], "kpt_in_cells")
        pixels = build.node("Mul", [in_cells, self.strides], "kpt_in_pixels")
        visible = build.node("Sigmoid", [seen], "kpt_visible")
        points = build.node("Concat", [pixels, visible], "kpt_decoded", axis=2)
        flat = build.constant("kpt_flat", [1, self.extra, CELLS])
        return build.node("Reshape", [points, flat], "kpt_rows")

    def rows(self, form: str = "xywh", *, divisor: float = 1.0, end: str = "Sigmoid") -> str:
        """Boxes and scores [1, 4 + nc, N]."""
        parts = [self.decoded_boxes(form, divisor), self.scores(end)]
        return self.builder.node("Concat", parts, "rows", axis=1)

    def split(self, source: str, sizes: list[int], name: str, axis: int = 1) -> list[str]:
        given = self.builder.constant(f"{name}_sizes", sizes)
        outputs = [f"{name}_{index}" for index in range(len(sizes))]
        self.builder.nodes.append(
            helper.make_node("Split", [source, given], outputs, name=name, axis=axis)
        )
        return outputs

    def ranked(self, rows: str, count: int = 5) -> tuple[str, list[int]]:
        """The best rows [1, count, 6 + extra], as Ultralytics' NMS-free exports give them."""
        build = self.builder
        turned = build.node("Transpose", [rows], "rows_last", perm=[0, 2, 1])
        sizes = [4, self.classes, *([self.extra] if self.extra else [])]
        boxes, scores, *rest = self.split(turned, sizes, "ranked_parts", axis=2)
        best = build.node("ReduceMax", [scores], "best_score", axes=[2], keepdims=0)
        label = build.node("ArgMax", [scores], "best_class", axis=2, keepdims=1)
        k = build.constant("count", [count])
        build.nodes.append(helper.make_node("TopK", [best, k], ["top", "top_index"], "topk"))
        index = build.node("Reshape", ["top_index", build.constant("flat", [count])], "picked")
        whole = [boxes, build.node("Unsqueeze", [best, build.constant("two", [2])], "score_column")]
        label = build.node("Cast", [label], "class_column", to=onnx.TensorProto.FLOAT)
        table = build.node("Concat", [*whole, label, *rest], "table", axis=2)
        return build.node("Gather", [table, index], "output0", axis=1), [1, count, 6 + self.extra]

    def model(self, outputs: Mapping[str, Sequence[int | str]], **options: Any) -> onnx.ModelProto:
        names = {index: f"class {index}" for index in range(self.classes)}
        metadata = {"names": str(names), **options.pop("metadata", {})}
        return self.builder.model(outputs, metadata=metadata, **options)


def a_detector(
    classes: int = 3, *, form: str = "xywh", divisor: float = 1.0, end: str = "Sigmoid", **head: Any
) -> onnx.ModelProto:
    """A detector whose output is [1, 4 + nc, N]."""
    decoder = Decoder(classes, **head)
    rows = decoder.rows(form, divisor=divisor, end=end)
    return decoder.model({rows: [1, 4 + classes, CELLS]})


def a_pose_model(
    keypoints: int = 5,
    *,
    box: int = 64,
    form: str = "xywh",
    times: float = 2.0,
    offset: float = 0.0,
    ranked: bool = False,
) -> onnx.ModelProto:
    """A pose model of one class."""
    decoder = Decoder(1, box=box, extra=3 * keypoints)
    parts = [decoder.decoded_boxes(form), decoder.scores(), decoder.key_points(times, offset)]
    rows = decoder.builder.node("Concat", parts, "output0" if not ranked else "rows", axis=1)
    if ranked:
        output, shape = decoder.ranked(rows)
        return decoder.model({output: shape})
    return decoder.model({rows: [1, 5 + 3 * keypoints, CELLS]})


def a_segmenter(
    classes: int = 3, *, box: int = 64, form: str = "xywh", ranked: bool = False
) -> onnx.ModelProto:
    """A segmentation model with 32 prototypes."""
    decoder = Decoder(classes, box=box, extra=32)
    rest = decoder.joined(decoder.rest, 32, "rest")
    parts = [decoder.decoded_boxes(form), decoder.scores(), rest]
    rows = decoder.builder.node("Concat", parts, "output0" if not ranked else "rows", axis=1)
    output, shape = decoder.ranked(rows) if ranked else (rows, [1, 36 + classes, CELLS])
    plane = decoder.builder.conv("images", "plane", (3, 8), stride=2)
    masks = decoder.builder.conv(plane, "output1", (8, 32), stride=2)
    return decoder.model({output: shape, masks: [1, 32, SIZE // 4, SIZE // 4]})
