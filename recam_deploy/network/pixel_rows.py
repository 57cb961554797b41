"""Identify pose and segmentation models, whose decoded rows are what the camera reads."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

import onnx

from ..errors import UnsupportedModelError
from .graph import Graph
from .heads import (
    BOX_CHANNELS,
    PLAIN_BOX_CHANNELS,
    STRIDES,
    SUPPORTED,
    describe_structure,
)
from .identity import Identity, assignment_of, tail_of
from .model import YOLO11_POSE, YOLO11_SEG, NetworkInput

MASK_CHANNELS = 32


def pose(
    graph: Graph, by_stride: Mapping[int, Sequence[str]], cells: int, model: onnx.ModelProto
) -> Identity:
    """Keep a pose model's output [1, 4 + nc + 3K, N].

    YOLO26's is like YOLO11's. Raises UnsupportedModelError unless there is one class, and three
    numbers for each keypoint, which is all that the camera decodes.
    """
    (output,) = graph.outputs
    channels = [sorted(graph.shapes[t][1] for t in by_stride.get(s, [])) for s in STRIDES]
    box = next((w for w in (BOX_CHANNELS, PLAIN_BOX_CHANNELS) if w in channels[0]), 0)
    rest = list(channels[0])
    if box:
        rest.remove(box)
    shape = graph.shapes[output]
    alike = all(c == channels[0] for c in channels) and len(rest) == 2
    if not box or not alike or shape != (1, 4 + sum(rest), cells):
        raise UnsupportedModelError(
            "the heads are not those of a detector, a pose or a segmentation model"
            + describe_structure(graph, by_stride),
            SUPPORTED,
        )
    classes = _classes_among(rest, model)
    points = sum(rest) - classes
    if classes != 1:
        raise UnsupportedModelError(
            f"the pose model has {classes} classes; the camera decodes pose models of one class, "
            "and misreads others",
            "Train it with one class.",
        )
    named = any(entry.key == "kpt_shape" for entry in model.metadata_props)
    if points % 3 and box == PLAIN_BOX_CHANNELS and not named:
        raise UnsupportedModelError(
            "the heads are a box, an objectness and a class tensor, as YOLOX has them; the camera "
            "has no decoder for those" + describe_structure(graph, by_stride),
            SUPPORTED,
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
        float_tail=tail_of(graph, by_stride),
        assignment=_assignment(graph, by_stride, box),
    )


def _classes_among(widths: Sequence[int], model: onnx.ModelProto) -> int:
    """Decide which of two widths is the number of classes, and not that of keypoint values."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    try:
        keypoints, values = ast.literal_eval(metadata.get("kpt_shape", ""))
        points = int(keypoints) * int(values)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        points = 0
    if points in widths:
        return sum(widths) - points
    return min(widths)


def _assignment(graph: Graph, by_stride: Mapping[int, Sequence[str]], box: int) -> str:
    if box == BOX_CHANNELS:
        return ""
    name = next(name for name in by_stride[STRIDES[0]] if graph.shapes[name][1] == box)
    return assignment_of(graph, name)


def segmenter(
    graph: Graph, by_stride: Mapping[int, Sequence[str]], image: NetworkInput, cells: int
) -> Identity:
    """Keep a segmentation model's outputs [1, 4 + nc + 32, N] and the prototypes [1, 32, H/4, W/4].

    YOLO26's are like YOLO11's. Raises UnsupportedModelError for other shapes.
    """
    boxes, masks = (graph.shapes[name] for name in graph.outputs)
    classes = boxes[1] - 4 - MASK_CHANNELS
    quarter = (1, MASK_CHANNELS, image.height // 4, image.width // 4)
    if boxes[2] != cells or classes < 1 or masks != quarter:
        raise UnsupportedModelError(
            "the outputs are not those of a segmentation model"
            + describe_structure(graph, by_stride),
            SUPPORTED,
        )
    made_by_boxes = graph.needed_for(graph.outputs[0])
    own = {s: [t for t in found if t in made_by_boxes] for s, found in by_stride.items()}
    widths = [graph.shapes[name][1] for name in own.get(STRIDES[0], [])]
    if len(widths) != 3 or not {BOX_CHANNELS, PLAIN_BOX_CHANNELS} & set(widths):
        raise UnsupportedModelError(
            "the heads are not one box, one class and one mask tensor a stride"
            + describe_structure(graph, own),
            SUPPORTED,
        )
    # The convolutions that make the masks' coefficients lose more in INT8 than any other layer.
    coefficients = {
        t for found in own.values() for t in found if graph.shapes[t][1] == MASK_CHANNELS
    }
    tail = coefficients.union(tail_of(graph, own))
    box = BOX_CHANNELS if BOX_CHANNELS in widths else PLAIN_BOX_CHANNELS
    return Identity(
        family=YOLO11_SEG,
        cut_at=tuple(graph.outputs),
        output_shapes=((*boxes, 1), masks),
        classes=classes,
        float_tail=tuple(sorted(tail)),
        assignment=_assignment(graph, own, box),
    )
