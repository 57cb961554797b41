"""Decide which family the camera takes a model for, by the shapes of its inputs and outputs alone.

The order and the rules are those of SSCMA-Micro `sscma/core/model/ma_model_factory.cpp` and of
the `isValid` of each `ma_model_*.cpp` that it calls, which ignore names, types and meaning. The
rule for facial landmarks (PFLD) is left out: the classifier's rule accepts such models before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Shape: TypeAlias = tuple[int, ...]
Shapes: TypeAlias = Sequence[Shape]

STRIDES = (8, 16, 32)
_DFL_CHANNELS = 64
_MASKS = 32


@dataclass(frozen=True)
class _Image:
    """The input, [1, H, W, C] or [1, C, H, W]; `first` and `second` are its raw dims 1 and 2."""

    height: int
    width: int
    channels: int
    first: int
    second: int

    @property
    def square(self) -> bool:
        """Say whether height and width are equal."""
        return self.height == self.width

    @property
    def grids(self) -> tuple[int, ...]:
        """Return the side of the grid at each stride, in cells."""
        return tuple(self.width // stride for stride in STRIDES)

    @property
    def areas(self) -> list[int]:
        """Return the number of cells at each stride."""
        return [grid * grid for grid in self.grids]

    @property
    def cells(self) -> int:
        """Return the number of cells at all strides."""
        return sum(self.areas)


def family_of(inputs: Shapes, outputs: Shapes) -> str | None:
    """Return the name of the family; None where the camera refuses the model."""
    image = _image(inputs)
    if image is None:
        return None
    return next((name for name, rule in _RULES if rule(image, outputs)), None)


def newer_family_of(inputs: Shapes, outputs: Shapes) -> str | None:
    """Return the family of a model that only firmware after 0.2.4 decodes, else None.

    That firmware has SSCMA-Micro e830d54. It takes nearly every other model for YOLO26 pose or
    segmentation as well; here only the maps that its pose decoder reads count.
    """
    image = _image(inputs)
    if family_of(inputs, outputs) is not None:
        return None
    if len(inputs) == 1 and _is_bisenet(outputs):
        return "bisenet-v2"
    return "yolo26-pose" if image and _is_yolo26_pose(image, outputs) else None


def _image(inputs: Shapes) -> _Image | None:
    if len(inputs) != 1 or len(inputs[0]) != 4:
        return None
    batch, first, second, last = inputs[0]
    if last in (1, 3):
        image = _Image(first, second, last, first, second)
    else:
        # Planar: the factory reads the last dimension as the height.
        image = _Image(last, second, first, first, second)
    if batch != 1 or image.height < 32 or image.height % 32 or image.channels not in (1, 3):
        return None
    return image


def _is_fomo(image: _Image, outputs: Shapes) -> bool:
    if not image.square or len(outputs) != 1 or len(outputs[0]) != 4:
        return False
    batch, rows, columns, classes = outputs[0]
    return batch == 1 and 2 <= rows <= image.width and 2 <= columns <= image.height and classes >= 2


def _is_yolov5(image: _Image, outputs: Shapes) -> bool:
    if len(outputs) != 1 or len(outputs[0]) not in (3, 4):
        return False
    batch, records, elements = outputs[0][:3]
    return batch == 1 and records == image.cells * image.channels and 6 <= elements <= 85


def _is_classifier(image: _Image, outputs: Shapes) -> bool:
    if len(outputs) != 1 or len(outputs[0]) < 2:
        return False
    batch, classes, *rest = outputs[0]
    return batch == 1 and classes >= 2 and (len(rest) != 2 or rest == [1, 1])


def _is_yolov8_pose(image: _Image, outputs: Shapes) -> bool:
    """Accept seven lists of rows: scores and boxes at each stride, and all key points."""
    if not image.square or len(outputs) != 7 or any(len(shape) != 3 for shape in outputs):
        return False
    rows: dict[str, list[int]] = {"scores": [], "boxes": [], "points": []}
    for batch, count, width in outputs:
        kind = {1: "scores", _DFL_CHANNELS: "boxes"}.get(width, "points")
        if batch != 1 or (kind == "points" and (width % 3 or count != image.cells)):
            return False
        rows[kind].append(count)
    return sorted(rows["scores"]) == sorted(rows["boxes"]) == sorted(image.areas)


def _is_yolov8(image: _Image, outputs: Shapes) -> bool:
    return _has_maps(image, outputs[0:3], outputs[3:6], _DFL_CHANNELS, batch=True)


def _is_nvidia_detect(image: _Image, outputs: Shapes) -> bool:
    wanted = (image.first // 16, image.second // 16)
    return (
        image.square
        and len(outputs) == 2
        and all(len(shape) >= 4 and shape[1:3] == wanted for shape in outputs)
    )


def _is_rtmdet(image: _Image, outputs: Shapes) -> bool:
    return all(shape[:1] == (1,) for shape in outputs) and _has_rows(image, outputs, 4)


def _is_yolo_world(image: _Image, outputs: Shapes) -> bool:
    return _has_rows(image, outputs, _DFL_CHANNELS)


def _is_yolo11(image: _Image, outputs: Shapes) -> bool:
    return _has_maps(image, outputs[0:6:2], outputs[1:6:2], _DFL_CHANNELS, batch=True)


def _is_yolo11_pose(image: _Image, outputs: Shapes) -> bool:
    if len(outputs) != 1 or len(outputs[0]) not in (3, 4):
        return False
    batch, elements, records = outputs[0][:3]
    return batch == 1 and records == image.cells and elements >= 6 and (elements - 5) % 3 == 0


def _is_yolo11_seg(image: _Image, outputs: Shapes) -> bool:
    if len(outputs) != 2 or len(outputs[0]) not in (3, 4):
        return False
    batch, elements, records = outputs[0][:3]
    quarter = image.width // 4
    return (
        batch == 1
        and records == image.cells
        and elements >= 5 + _MASKS
        and outputs[1] == (1, _MASKS, quarter, quarter)
    )


def _is_yolo26(image: _Image, outputs: Shapes) -> bool:
    return _has_maps(image, outputs[0:6:2], outputs[1:6:2], 4, batch=False) or _has_maps(
        image, outputs[0:3], outputs[3:6], 4, batch=False
    )


def _is_bisenet(outputs: Shapes) -> bool:
    """One map of classes, [1, C, H, W] or [C, H, W]."""
    if len(outputs) != 1 or len(outputs[0]) not in (3, 4):
        return False
    batch, classes, height, width = outputs[0] if len(outputs[0]) == 4 else (1, *outputs[0])
    return batch == 1 and classes >= 2 and height >= 32 and width >= 32


def _is_yolo26_pose(image: _Image, outputs: Shapes) -> bool:
    """Nine maps: boxes, classes and key points of each scale in turn."""
    boxes, classes, points = outputs[0::3], outputs[1::3], outputs[2::3]
    return (
        len(outputs) == 9
        and _has_maps(image, boxes, classes, 4, batch=True)
        and _has_maps(image, boxes, points, 4, batch=True)
        and all(shape[1] % 3 == 0 for shape in points)
    )


def _has_maps(
    image: _Image, boxes: Shapes, classes: Shapes, box_channels: int, *, batch: bool
) -> bool:
    """Accept a box and a class map at each stride, from 8 to 32; with `batch`, of batch size 1."""
    if len(boxes) != len(STRIDES) or len(classes) != len(STRIDES):
        return False
    return all(
        len(box) == len(logits) == 4
        and box[1:] == (box_channels, grid, grid)
        and logits[2:] == (grid, grid)
        and (not batch or box[0] == logits[0] == 1)
        for box, logits, grid in zip(boxes, classes, image.grids, strict=True)
    )


def _has_rows(image: _Image, outputs: Shapes, box_width: int) -> bool:
    """Accept six lists of rows [1, g*g, n]: at each stride one of `box_width`, and another."""
    if not image.square or len(outputs) != 6 or any(len(shape) != 3 for shape in outputs):
        return False
    boxes = sorted(count for _, count, width in outputs if width == box_width)
    others = sorted(count for _, count, width in outputs if width != box_width)
    return boxes == others == sorted(image.areas)


_RULES: tuple[tuple[str, Callable[[_Image, Shapes], bool]], ...] = (
    ("fomo", _is_fomo),
    ("yolov5-detect", _is_yolov5),
    ("classify", _is_classifier),
    ("yolov8-pose", _is_yolov8_pose),
    ("yolov8-detect", _is_yolov8),
    ("nvidia-detect", _is_nvidia_detect),
    ("rtmdet", _is_rtmdet),
    ("yolo-world", _is_yolo_world),
    ("yolo11-detect", _is_yolo11),
    ("yolo11-pose", _is_yolo11_pose),
    ("yolo11-seg", _is_yolo11_seg),
    ("yolo26-detect", _is_yolo26),
)
