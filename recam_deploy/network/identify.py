"""Which family of the camera's a model belongs to, where it is cut, and what must be refused.

What the camera accepts is written in SSCMA-Micro `sscma/core/model/` (`isValid` of each class).
The compiler gives a cvimodel's three-dimensional outputs a fourth dimension of 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx

from ..cvimodel.family import family_of
from ..errors import UnsupportedModelError
from .graph import Graph
from .heads import BOX_CHANNELS, STRIDES, SUPPORTED, find_heads, last_by_stride, what_was_found
from .model import (
    CLASSIFY,
    RAW,
    YOLO11_DETECT,
    YOLO11_POSE,
    YOLO11_SEG,
    YOLO26_DETECT,
    YOLOV5_DETECT,
    Head,
    NetworkInput,
)
from .prepare import fractions_name

MASK_CHANNELS = 32
V5_ANCHORS = 3
V5_MOST_CLASSES = 80
"""The camera takes 6 to 85 numbers a box (`ma_model_yolov5.cpp`), five of which are no class's."""


@dataclass(frozen=True)
class Identity:
    """What a model was found to be; the fields are those of `Network`."""

    family: str
    cut_at: tuple[str, ...]
    output_shapes: tuple[tuple[int, ...], ...]
    classes: int
    heads: tuple[Head, ...] = ()
    float_tail: tuple[str, ...] = ()


def identify(model: onnx.ModelProto, image: NetworkInput) -> Identity:
    """Recognise a model by its structure. `model` must have its shapes inferred.

    Raises UnsupportedModelError, with the reason, for what the camera would refuse or misread.
    """
    task = next((p.value for p in model.metadata_props if p.key == "task"), "")
    if task == "obb":
        raise UnsupportedModelError(
            "the model finds oriented boxes (OBB), which the camera's software cannot decode",
            "Train a detection model instead.",
        )
    graph = Graph(model)
    shapes = [graph.shapes.get(name, ()) for name in graph.outputs]
    if len(shapes) == 1 and _is_class_list(shapes[0]):
        return _classifier(graph, shapes[0])
    by_stride = last_by_stride(graph, image)
    cells = sum((image.width // stride) ** 2 for stride in STRIDES)
    widths = {stride: [graph.shapes[t][1] for t in found] for stride, found in by_stride.items()}
    if len(shapes) == 2 and shapes[1][1:2] == (MASK_CHANNELS,) and len(shapes[0]) == 3:
        return _segmenter(graph, by_stride, image, cells)
    if len(shapes) == 1 and all(len(found) == 3 for found in widths.values()) and widths:
        return _pose(graph, by_stride, cells)
    if anchored := _anchored_output(graph, by_stride, cells):
        return _anchored_detector(graph, by_stride, anchored)
    heads = find_heads(graph, by_stride)
    _refuse_yolov10(graph, heads)
    return _detector(graph, heads)


def identify_raw(model: onnx.ModelProto, image: NetworkInput) -> Identity:
    """A network as it stands: its own outputs, in their own order.

    Raises UnsupportedModelError when the shape of one is not known or has over four dimensions, or
    when the camera would take the cvimodel for a pose model.
    """
    graph = Graph(model)
    shapes = [graph.shapes.get(name, ()) for name in graph.outputs]
    for name, shape in zip(graph.outputs, shapes, strict=True):
        if not 0 < len(shape) <= 4 or not all(shape):
            raise UnsupportedModelError(
                f"the output {name} has the shape {'×'.join(map(str, shape)) or 'unknown'}; the "
                "compiler takes up to four dimensions of fixed size",
                "Export the model with fixed shapes.",
            )
    padded = tuple((*shape, *[1] * (4 - len(shape))) for shape in shapes)
    if family_of([(1, image.height, image.width, 3)], padded) == YOLO11_POSE:
        raise UnsupportedModelError(
            f"the camera would take the output {'×'.join(map(str, shapes[0]))} for a pose model's "
            "and show key points that are none, as with every detector that keeps its decoding and "
            "has 4, 7, 10, … classes",
            "Leave --family raw out: the model is then cut before its decoding, where the camera "
            "reads it right.",
        )
    return Identity(family=RAW, cut_at=tuple(graph.outputs), output_shapes=padded, classes=0)


def _detector(graph: Graph, heads: tuple[Head, ...]) -> Identity:
    """DFL heads are taken interleaved, box and class in turn: grouped, the camera would take them
    for YOLOv8's and misread them. YOLO26's are taken grouped: interleaved, the camera would misread
    them where there are four classes."""
    dfl = graph.shapes[heads[0].box][1] == BOX_CHANNELS
    if dfl:
        cut_at = tuple(name for head in heads for name in (head.box, head.logits))
    else:
        cut_at = (*(head.box for head in heads), *(head.logits for head in heads))
    return Identity(
        family=YOLO11_DETECT if dfl else YOLO26_DETECT,
        cut_at=cut_at,
        output_shapes=tuple(graph.shapes[name] for name in cut_at),
        classes=graph.shapes[heads[0].logits][1],
        heads=heads,
    )


def _refuse_yolov10(graph: Graph, heads: tuple[Head, ...]) -> None:
    """DFL heads whose scores are ranked in the graph itself, with no suppression after it."""
    dfl = graph.shapes[heads[0].box][1] == BOX_CHANNELS
    logits = heads[0].logits
    ranked = dfl and graph.leads_to(logits, "TopK")
    if ranked and not graph.leads_to(logits, "NonMaxSuppression"):
        raise UnsupportedModelError(
            "the model is a YOLOv10, which finds its boxes without suppression; the camera's "
            "software has no class for it",
            "Train a YOLO11 or, for a camera with firmware 0.2.3, a YOLO26 on the same pictures.",
        )


def _anchored_output(
    graph: Graph, by_stride: Mapping[int, Sequence[str]], cells: int
) -> str | None:
    """The output [1, 3N, 5 + nc] that one convolution a scale, of 3 * (5 + nc) channels, ends in.

    Older exports put the three scales out as well, which are left away.
    """
    if sorted(by_stride) != list(STRIDES) or any(len(found) != 1 for found in by_stride.values()):
        return None
    widths = {graph.shapes[found[0]][1] for found in by_stride.values()}
    return next(
        (
            name
            for name in graph.outputs
            if graph.shapes.get(name, ())[:2] == (1, V5_ANCHORS * cells)
            and widths == {V5_ANCHORS * width for width in graph.shapes[name][2:]}
        ),
        None,
    )


def _anchored_detector(
    graph: Graph, by_stride: Mapping[int, Sequence[str]], output: str
) -> Identity:
    """YOLOv5's output is taken with its boxes as fractions of the input (`prepare.prepare`).

    With boxes in pixels the camera divides every score by 100 and shows nothing.
    """
    shape = graph.shapes[output]
    classes = shape[2] - 5
    if len(graph.outputs) == 2:
        raise UnsupportedModelError(
            "the model is a YOLOv5 for segmentation, which the camera's software cannot decode",
            "Train a YOLO11 segmentation model instead.",
        )
    if not 1 <= classes <= V5_MOST_CLASSES:
        raise UnsupportedModelError(
            f"the YOLOv5 model has {classes} classes; the camera takes 1 to {V5_MOST_CLASSES} of "
            "this family",
            "Train a YOLO11 model, which may have any number.",
        )
    return Identity(
        family=YOLOV5_DETECT,
        cut_at=(output,),
        output_shapes=((*shape, 1),),
        classes=classes,
        float_tail=(*_tail(graph, by_stride), fractions_name(output)),
    )


def _pose(graph: Graph, by_stride: dict[int, list[str]], cells: int) -> Identity:
    """One output [1, 4 + nc + 3K, N]: the camera knows one class and three numbers a keypoint."""
    (output,) = graph.outputs
    channels = [sorted(graph.shapes[t][1] for t in by_stride.get(s, [])) for s in STRIDES]
    rest = sorted(set(channels[0]) - {BOX_CHANNELS})
    points = max(rest, default=0)
    classes = min(rest, default=0)
    shape = graph.shapes[output]
    alike = all(c == channels[0] and BOX_CHANNELS in c for c in channels)
    if not alike or shape != (1, 4 + classes + points, cells):
        raise UnsupportedModelError(
            "the heads are not those of a detector, a pose or a segmentation model"
            + what_was_found(graph, by_stride),
            SUPPORTED,
        )
    if classes != 1:
        raise UnsupportedModelError(
            f"the pose model has {classes} classes; the camera knows pose models of one class, "
            "and misreads others",
            "Train it with one class.",
        )
    if points % 3:
        raise UnsupportedModelError(
            f"the pose model gives {points} numbers for its keypoints; the camera reads x, y and "
            "visibility for each",
            "Train it with kpt_shape [K, 3].",
        )
    return Identity(
        family=YOLO11_POSE,
        cut_at=(output,),
        output_shapes=((*shape, 1),),
        classes=1,
        float_tail=_tail(graph, by_stride),
    )


def _segmenter(
    graph: Graph, by_stride: dict[int, list[str]], image: NetworkInput, cells: int
) -> Identity:
    """Outputs [1, 4 + nc + 32, N] and the masks' prototypes [1, 32, H/4, W/4]."""
    boxes, masks = (graph.shapes[name] for name in graph.outputs)
    classes = boxes[1] - 4 - MASK_CHANNELS
    quarter = (1, MASK_CHANNELS, image.height // 4, image.width // 4)
    if boxes[2] != cells or classes < 1 or masks != quarter:
        raise UnsupportedModelError(
            "the outputs are not those of a segmentation model" + what_was_found(graph, by_stride),
            SUPPORTED,
        )
    made_by_boxes = graph.needed_for(graph.outputs[0])
    own = {s: [t for t in found if t in made_by_boxes] for s, found in by_stride.items()}
    # The convolutions that make the masks' coefficients lose more in INT8 than any other layer.
    coefficients = {
        t for found in own.values() for t in found if graph.shapes[t][1] == MASK_CHANNELS
    }
    tail = coefficients.union(_tail(graph, own))
    return Identity(
        family=YOLO11_SEG,
        cut_at=tuple(graph.outputs),
        output_shapes=((*boxes, 1), masks),
        classes=classes,
        float_tail=tuple(sorted(tail)),
    )


def _tail(graph: Graph, by_stride: Mapping[int, Sequence[str]]) -> tuple[str, ...]:
    """All that is computed from the last convolutions, in a fixed order."""
    return tuple(sorted(graph.computed_from(t for found in by_stride.values() for t in found)))


def _is_class_list(shape: tuple[int, ...]) -> bool:
    return len(shape) in (2, 4) and shape[:1] == (1,) and all(side == 1 for side in shape[2:])


def _classifier(graph: Graph, shape: tuple[int, ...]) -> Identity:
    (output,) = graph.outputs
    if graph.producers[output].op_type != "Softmax":
        raise UnsupportedModelError(
            f"the one output {'×'.join(map(str, shape))} does not end in a softmax, so the camera "
            "would not read its numbers as scores",
            "Export the classifier with its softmax, as Ultralytics does.",
        )
    if shape[1] < 2:
        raise UnsupportedModelError(
            "the classifier has one class; the camera needs two at least",
            "Train it with a class for everything else.",
        )
    return Identity(
        family=CLASSIFY, cut_at=(output,), output_shapes=((1, shape[1], 1, 1),), classes=shape[1]
    )
