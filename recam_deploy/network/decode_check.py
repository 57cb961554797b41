"""Check that the camera decodes a model as the model's own decoding does.

The camera knows a family by its outputs' shapes alone. A detector with the same shapes and another
meaning (RTMDet, FCOS and others look like YOLO26) would show misplaced boxes, and no comparison
with the float model finds that, since both sides are decoded alike. So one picture is decoded twice
here: by the operators that the export has after its heads, and by the camera's rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import onnx

from ..errors import InputError, UnsupportedModelError
from .decode_rules import (
    DECODED,
    OTHER,
    RAW_VALUES,
    Reading,
    check_anchored,
    check_classes,
    check_rows,
    difference_of,
)
from .folding import fold, needs_folding
from .graph import Graph
from .heads import PLAIN_BOX_CHANNELS, last_by_stride
from .identity import Identity
from .model import (
    CLASSIFY,
    RAW,
    YOLO11_POSE,
    YOLO11_SEG,
    YOLOV5_DETECT,
    DecodingCheck,
    Head,
    NetworkInput,
)
from .own_decoding import Array, CellTensor, cell_tensors
from .own_rows import rows_found
from .sample_picture import run_on_sample

_RAW_NETWORK = "a raw network's outputs are not decoded"
_ENDS_AT_HEADS = "the file ends before its boxes are decoded"
_UNKNOWN = "what the file does after its heads could not be followed"

_MIXING = ("MatMul", "Gemm", "Einsum", "Conv", "ConvTranspose")
"""Operators that make new values of several others."""

_HINT = (
    "Convert it with --family raw; the camera's Node-RED does not show its results. The camera "
    "decodes YOLO11, YOLOv8, YOLOv6 and YOLO26 detectors."
)

_RTMDET = (
    "RTMDet, FCOS, NanoDet and their like cannot be shown: the camera knows RTMDet by outputs of "
    "three dimensions, and the compiler gives every output four."
)


def check_decoding(model: onnx.ModelProto, image: NetworkInput, found: Identity) -> DecodingCheck:
    """Decode one picture by the model's own operators and by the camera's rules, and compare.

    `model` is the user's, before it was cut anywhere, with its shapes inferred. Raises
    UnsupportedModelError where both differ by more than rounding.
    """
    if found.family == RAW:
        return DecodingCheck(_RAW_NETWORK)
    try:
        check = _check_detector if found.heads else _check_outputs
        done = check(model, image, found)
        if not done.checked and needs_folding(model.graph):
            # Shapes that the graph computes hide what its tensors hold.
            done = check(fold(model), image, found)
        return done
    except InputError as error:
        if isinstance(error, UnsupportedModelError):
            raise
        return DecodingCheck(f"the model's own decoding does not run: {error.message}")


def _check_detector(model: onnx.ModelProto, image: NetworkInput, found: Identity) -> DecodingCheck:
    graph = Graph(model)
    heads, classes = found.heads, found.classes
    sides = graph.shapes[heads[0].box][1]
    widths = frozenset({4, sides, classes, 4 + classes, 5 + classes, sides + classes})
    tensors = cell_tensors(graph, heads, widths)
    own = [name for head in heads for name in (head.box, head.logits)]
    if set(own) <= set(graph.outputs):
        return DecodingCheck(_ENDS_AT_HEADS)
    arrays = run_on_sample(model, image, [*own, *(tensor.name for tensor in tensors)])
    _check_numbers(arrays[name] for name in own)
    readings = [
        Reading.of(arrays[head.box], arrays[head.logits], head.stride, image.width)
        for head in heads
    ]
    boxes, scores = set(), set()
    for tensor in tensors:
        reading = Reading.joined([readings[index] for index in tensor.heads])
        box, score = _verdict(tensor, arrays[tensor.name], reading, classes)
        if OTHER in (box, score):
            raise _refusal(tensor, arrays[tensor.name], reading, box == OTHER)
        boxes.add(box)
        scores.add(score)
    if DECODED not in scores and _mixed_later(graph, heads):
        raise UnsupportedModelError(
            "the model computes its scores by further layers after its class tensors, as "
            "YOLO-World does; the camera takes these tensors themselves for scores",
            _HINT,
        )
    if DECODED in boxes:
        return DecodingCheck("" if scores & {DECODED, RAW_VALUES} else _UNKNOWN)
    whole = Reading.joined(readings)
    return _check_list(model, image, graph, whole, {tensor.name for tensor in tensors})


def _check_numbers(arrays: Iterable[Array]) -> None:
    """Raise UnsupportedModelError for results that are no finite numbers."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise UnsupportedModelError(
            "the model gives values that are no numbers (NaN or infinite) on a test picture",
            "Its weights are damaged, or its training failed. Check it in its framework, and "
            "export it again.",
        )


def _mixed_later(graph: Graph, heads: Sequence[Head]) -> bool:
    return any(graph.leads_to(head.logits, op) for head in heads for op in _MIXING)


def _check_list(
    model: onnx.ModelProto, image: NetworkInput, graph: Graph, whole: Reading, last: set[str]
) -> DecodingCheck:
    """Check the outputs of a model without a tensor of all decoded boxes."""
    after = graph.computed_from(last)
    lists = [name for name in graph.outputs if name in after]
    if not lists:
        return DecodingCheck(_ENDS_AT_HEADS)
    outputs = run_on_sample(model, image, lists)
    found = rows_found(outputs.values(), whole.corners, whole.side)
    if found is None:
        return DecodingCheck(_UNKNOWN)
    if not found:
        raise UnsupportedModelError(
            "the camera would show this model's boxes in wrong places: those of its own list of "
            "detections are not among the camera's",
            _HINT,
        )
    return DecodingCheck("")


def _verdict(tensor: CellTensor, array: Array, reading: Reading, classes: int) -> tuple[str, str]:
    """Say of a tensor's boxes and scores what they are; "" where it holds none."""
    verdicts = [
        reading.verdict(rows, classes, tensor.boxes, tensor.scores) for rows in tensor.rows(array)
    ]
    return min(verdicts, key=lambda verdict: OTHER in verdict)


def _refusal(
    tensor: CellTensor, array: Array, reading: Reading, of_boxes: bool
) -> UnsupportedModelError:
    if not of_boxes:
        return UnsupportedModelError(
            "the camera would show other scores than the model gives: its scores are not the "
            f"sigmoid of its class tensors (seen in {tensor.name})",
            _HINT,
        )
    reason = next(filter(None, (difference_of(rows, reading) for rows in tensor.rows(array))), "")
    like = "YOLO26" if reading.box.shape[1] == PLAIN_BOX_CHANNELS else "YOLO11"
    return UnsupportedModelError(
        f"the camera would show this model's boxes in wrong places: its heads have {like}'s "
        f"shapes, but its own decoding gives other boxes ({reason or 'of no known form'})",
        f"{_HINT} {_RTMDET}" if like == "YOLO26" else _HINT,
    )


def _check_outputs(model: onnx.ModelProto, image: NetworkInput, found: Identity) -> DecodingCheck:
    """Check a family whose decoded outputs the camera reads."""
    graph = Graph(model)
    by_stride = last_by_stride(graph, image) if found.family != CLASSIFY else {}
    made = graph.needed_for(found.cut_at[0])
    heads = [[n for n in names if n in made] for _, names in sorted(by_stride.items())]
    arrays = run_on_sample(
        model, image, [*found.cut_at, *(name for names in heads for name in names)]
    )
    output = arrays[found.cut_at[0]]
    _check_numbers([output])
    if found.family == CLASSIFY:
        check_classes(output)
    elif found.family == YOLOV5_DETECT:
        check_anchored(output, image.width)
    elif found.family in (YOLO11_POSE, YOLO11_SEG):
        parts = [[arrays[name] for name in names] for names in heads]
        check_rows(output, found.classes, parts, image.width, points=found.family == YOLO11_POSE)
    return DecodingCheck("")
