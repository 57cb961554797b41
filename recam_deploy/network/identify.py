"""Identify the camera's family of a model, choose its cut, and refuse what the camera misreads.

The camera's rules are in SSCMA-Micro `sscma/core/model/` (`isValid` of each class). The compiler
gives a cvimodel's three-dimensional outputs a fourth dimension of 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx

from ..cvimodel.family import family_of
from ..errors import UnsupportedModelError
from .graph import Graph
from .heads import (
    BOX_CHANNELS,
    STRIDES,
    find_heads,
    last_by_stride,
    refuse_oriented,
    refuse_other_strides,
)
from .identity import Identity, assignment_of, tail_of
from .model import (
    CLASSIFY,
    RAW,
    YOLO11_DETECT,
    YOLO11_POSE,
    YOLO26_DETECT,
    YOLOV5_DETECT,
    Head,
    NetworkInput,
)
from .pixel_rows import MASK_CHANNELS, pose, segmenter
from .prepare import fractions_name

V5_ANCHORS = 3
V5_MOST_CLASSES = 80
"""The camera takes 6 to 85 numbers a box (`ma_model_yolov5.cpp`): five, and one for each class."""

_SAME_VALUES = frozenset({"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout"})
"""What may follow a classifier's softmax; that the scores add up to 1 is checked later."""


def identify(model: onnx.ModelProto, image: NetworkInput) -> Identity:
    """Identify a model by its structure. `model` must have its shapes inferred.

    Raises UnsupportedModelError, with the reason, for a model that the camera would refuse or
    misread.
    """
    task = next((p.value for p in model.metadata_props if p.key == "task"), "")
    graph = Graph(model)
    shapes = [graph.shapes.get(name, ()) for name in graph.outputs]
    if len(shapes) == 1 and _is_class_list(shapes[0]):
        return _classifier(graph, shapes[0])
    by_stride = last_by_stride(graph, image)
    refuse_oriented(graph, by_stride, task)
    cells = sum((image.width // stride) ** 2 for stride in STRIDES)
    widths = {stride: [graph.shapes[t][1] for t in found] for stride, found in by_stride.items()}
    refuse_other_strides(graph, image)
    if len(shapes) == 2 and shapes[1][1:2] == (MASK_CHANNELS,) and len(shapes[0]) == 3:
        return segmenter(graph, by_stride, image, cells)
    if len(shapes) == 1 and all(len(found) == 3 for found in widths.values()) and widths:
        return pose(graph, by_stride, cells, model)
    if anchored := _anchored_output(graph, by_stride, cells):
        return _anchored_detector(graph, by_stride, anchored)
    heads = find_heads(graph, by_stride)
    _refuse_yolov10(graph, heads)
    return _detector(graph, heads)


def identify_raw(model: onnx.ModelProto, image: NetworkInput) -> Identity:
    """Keep all outputs of a network, in their own order; the family is RAW.

    Raises UnsupportedModelError when an output's shape is not known or has over four dimensions, or
    when the camera would take the cvimodel for a pose model.
    """
    graph = Graph(model)
    shapes = [graph.shapes.get(name, ()) for name in graph.outputs]
    for name, shape in zip(graph.outputs, shapes, strict=True):
        if not 0 < len(shape) <= 4 or not all(shape):
            shown = "×".join(map(str, shape)) or "of one number, or one that is not known"
            raise UnsupportedModelError(
                f"the output {name} has the shape {shown}; the compiler takes one to four "
                "dimensions of fixed size",
                "Export the model with fixed shapes.",
            )
    for value in model.graph.output:
        if value.type.tensor_type.elem_type == onnx.TensorProto.STRING:
            raise UnsupportedModelError(
                f"the output {value.name} is text; the TPU computes with numbers alone",
                "Name the outputs to keep with --output-names.",
            )
    padded = tuple((*shape, *[1] * (4 - len(shape))) for shape in shapes)
    if family_of([(1, image.height, image.width, 3)], padded) == YOLO11_POSE:
        raise UnsupportedModelError(
            f"the camera would take the output {'×'.join(map(str, shapes[0]))} for a pose model's "
            "and show wrong key points, as for every detector that keeps its decoding and has 4, "
            "7, 10, … classes",
            "Leave --family raw out: the model is then cut before its decoding, where the camera "
            "reads it correctly.",
        )
    return Identity(family=RAW, cut_at=tuple(graph.outputs), output_shapes=padded, classes=0)


def _detector(graph: Graph, heads: tuple[Head, ...]) -> Identity:
    """Cut a detector at its heads.

    DFL heads are interleaved, box and class in turn: the camera takes grouped ones for YOLOv8's and
    misreads them. YOLO26's heads are grouped: the camera misreads interleaved ones of four classes.
    """
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
        assignment="" if dfl else assignment_of(graph, heads[0].box),
    )


def _refuse_yolov10(graph: Graph, heads: tuple[Head, ...]) -> None:
    """Raise UnsupportedModelError for DFL heads that a TopK in the graph ranks without an NMS."""
    dfl = graph.shapes[heads[0].box][1] == BOX_CHANNELS
    logits = heads[0].logits
    ranked = dfl and graph.leads_to(logits, "TopK")
    if ranked and not graph.leads_to(logits, "NonMaxSuppression"):
        raise UnsupportedModelError(
            "the model is a YOLOv10, which needs no non-maximum suppression; the camera's software "
            "has no decoder for it",
            "Export it with end2end=False (Ultralytics 8.4 and newer), which leaves the ranking "
            "out. Or train a YOLO11 on the same pictures.",
        )


def _anchored_output(
    graph: Graph, by_stride: Mapping[int, Sequence[str]], cells: int
) -> str | None:
    """Find YOLOv5's output [1, 3N, 5 + nc], from one convolution of 3 * (5 + nc) channels a scale.

    Older exports have the three scales as further outputs, which are ignored. Return None for other
    models.
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
    """Keep YOLOv5's output, with its boxes as fractions of the input (`prepare.prepare`).

    For boxes in pixels the camera divides every score by 100, and shows nothing. Raises
    UnsupportedModelError for segmentation models, and for too many classes.
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
        float_tail=(*tail_of(graph, by_stride), fractions_name(output)),
    )


def _is_class_list(shape: tuple[int, ...]) -> bool:
    return len(shape) in (2, 4) and shape[:1] == (1,) and all(side == 1 for side in shape[2:])


def _classifier(graph: Graph, shape: tuple[int, ...]) -> Identity:
    (output,) = graph.outputs
    made_by = graph.producers[output]
    while made_by.op_type in _SAME_VALUES and made_by.input[0] in graph.producers:
        made_by = graph.producers[made_by.input[0]]
    if made_by.op_type != "Softmax":
        raise UnsupportedModelError(
            f"the one output {'×'.join(map(str, shape))} does not end in a softmax, so its numbers "
            "are no scores for the camera",
            "Export the classifier with its softmax, as Ultralytics does.",
        )
    if shape[1] < 2:
        raise UnsupportedModelError(
            "the classifier has one class; the camera needs at least two",
            "Train it with a class for everything else.",
        )
    return Identity(
        family=CLASSIFY, cut_at=(output,), output_shapes=((1, shape[1], 1, 1),), classes=shape[1]
    )
