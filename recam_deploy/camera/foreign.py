"""Warn of cvimodels from other recipes, for which no manifest says what their outputs mean.

The camera knows a model by the shapes of its outputs alone (see `cvimodel.family`), so some outputs
that were cut elsewhere pass for those of another family, and others for none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..cvimodel import CviModel
from ..cvimodel.family import STRIDES

_FORMAT = (1, 4)
_COMPILER = (1, 12)
"""The newest format and compiler that are known to run: the models on a camera's system image say
1.4, and Seeed's C++ demos hold two models of tpu_mlir 1.12."""
_NUMBERS = re.compile(r"v?(\d{1,4})\.(\d{1,4})")
_BY_SHAPE = {
    "fomo": "a FOMO model, which has a map of classes and no boxes",
    "classify": "a classifier, which has one score a class and no boxes",
    "nvidia-detect": "a DetectNet of NVIDIA's, which has two maps",
    "yolov8-pose": "a YOLOv8 pose model, whose key points it does not scale",
    "yolo-world": "a YOLO-World model, whose boxes it does not scale",
}
_BOX_CHANNELS = (4, 64)


def foreign_warnings(layout: CviModel) -> list[str]:
    """Return what may go wrong with a model that recam did not convert, to follow its name."""
    found = (_taken_for(layout), newer_than_known(layout))
    return [warning for warning in found if warning]


def _taken_for(layout: CviModel) -> str | None:
    """Return what the camera takes the model for where its outputs may mean something else."""
    outputs = ", ".join("×".join(map(str, tensor.shape)) for tensor in layout.outputs)[:120]
    family = layout.family
    if family == "yolo11-pose":
        channels = layout.outputs[0].shape[1]
        points = (channels - 5) // 3
        return (
            f"will be taken for a pose model of one class with {points} key "
            f"point{'s' if points > 1 else ''}, because of its output {outputs}; a detector with "
            f"{channels - 4} classes that keeps its decoding has the same output, and would be "
            "shown as wrong boxes and key points"
        )
    if family == "classify" and set(layout.outputs[0].shape[2:]) <= {1}:
        return None
    if family in _BY_SHAPE:
        return (
            f"will be taken for {_BY_SHAPE[family]}, because of its outputs {outputs}; if it is "
            "anything else, the camera shows nonsense"
        )
    if family or layout.newer_family:
        return None
    recipe = next(_recipes(layout), "")
    return (
        "will be refused by the camera's Node-RED (`Model not supported`), because no family has "
        f"its outputs {outputs}{recipe}; convert its ONNX model with `recam convert`"
    )


def _recipes(layout: CviModel) -> Iterator[str]:
    """Yield the ways of cutting a detector that give such outputs."""
    shapes = [tuple(tensor.shape) for tensor in layout.outputs]
    width = layout.inputs[0].shape[2] if layout.inputs and len(layout.inputs[0].shape) == 4 else 0
    grids = [width // stride for stride in STRIDES]
    cells = sum(grid * grid for grid in grids)
    if len(shapes) == 1 and cells and cells in shapes[0][2:]:
        yield ": a detector that keeps its decoding"
    if len(shapes) > 1 and cells and all(cells in shape[1:] for shape in shapes):
        yield ": boxes and classes joined over all strides, as MaixCAM's recipe has them"
    maps = [shape for shape in shapes if len(shape) == 4 and shape[2] == shape[3]]
    if [shape[2] for shape in maps] == grids == [shape[2] for shape in shapes]:
        yield ": boxes and classes of a stride joined in one output"
    boxes = [shape[1] in _BOX_CHANNELS for shape in maps]
    if len(maps) == len(shapes) == 2 * len(grids) and sum(boxes) == len(grids):
        yield ": boxes and classes in an order that the camera does not know"


def newer_than_known(layout: CviModel) -> str | None:
    """Return the warning for a newer file format or compiler than is known to run, else None."""
    for text, known, what in (
        (layout.version, _FORMAT, "has the cvimodel format"),
        (layout.header.version, _FORMAT, "has the cvimodel format"),
        (layout.compiler, _COMPILER, "was compiled by tpu_mlir"),
    ):
        numbers = _NUMBERS.match(text)
        if numbers and (int(numbers[1]), int(numbers[2])) > known:
            return (
                f"{what} {text}, and cameras are known to load those up to "
                f"{known[0]}.{known[1]}; a camera may refuse it, or compute something else"
            )
    return None
