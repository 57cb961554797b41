"""Tell, by each family's ``isValid``, whether a model with these tensors counts as that family.

Source: SSCMA-Micro ``sscma/core/model/ma_model_*.cpp`` at 60e2ede and e830d54. Only
inputs' and outputs' counts and shapes decide; names, types and meaning do not. Nearly
every family asks for one input of four dimensions (the classifier for any number), one
image, 1 or 3 channels, a height of at least 32 that is a multiple of 32; some ask for
height = width too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tensors import Model

STRIDES = (8, 16, 32)


def _image(model: Model) -> bool:
    """Tell one image [1, H, W, C].

    Of [1, C, H, W] the last dimension counts for the height.
    """
    height = model.height if model.packed else model.width
    return (
        len(model.inputs) == 1
        and model.dims[0] == 1
        and height >= 32
        and height % 32 == 0
        and model.channels in (1, 3)
    )


def _wide(model: Model) -> bool:
    return _image(model) and len(model.inputs[0].shape) == 4


def _square(model: Model) -> bool:
    return _wide(model) and model.height == model.width


def _breadth(model: Model) -> int:
    """Return what grids must fit: the width of a packed input, the height of a planar one."""
    return model.dims[2]


def _shapes(model: Model) -> list[tuple[int, ...]]:
    return [tensor.shape for tensor in model.outputs]


def _cells(model: Model) -> int:
    """Count the grid cells of strides 8, 16 and 32 together."""
    return sum((_breadth(model) // stride) ** 2 for stride in STRIDES)


def _dims(shape: tuple[int, ...], index: int) -> int:
    """Return a dimension, 0 where the shape has fewer: the camera's arrays are zero-filled."""
    return shape[index] if index < len(shape) else 0


def fomo(model: Model) -> bool:
    if not _square(model) or len(model.outputs) != 1:
        return False
    shape = model.outputs[0].shape
    return (
        len(shape) == 4
        and shape[0] == 1
        and 2 <= shape[1] <= model.width
        and 2 <= shape[2] <= model.height
        and shape[3] >= 2
    )


def yolov5(model: Model) -> bool:
    if not _wide(model) or len(model.outputs) != 1:
        return False
    shape = model.outputs[0].shape
    return (
        len(shape) in (3, 4)
        and shape[0] == 1
        and shape[1] == _cells(model) * model.channels
        and 6 <= shape[2] <= 85
    )


def classifier(model: Model) -> bool:
    if not _image(model) or len(model.outputs) != 1:
        return False
    shape = model.outputs[0].shape
    if len(shape) == 4 and shape[2:] != (1, 1):
        return False
    return _dims(shape, 0) == 1 and _dims(shape, 1) >= 2


def pfld(model: Model) -> bool:
    if not _square(model) or len(model.outputs) != 1:
        return False
    shape = model.outputs[0].shape
    return len(shape) == 2 and shape[0] == 1 and shape[1] % 2 == 0


def _take(left: list[int], size: int) -> bool:
    """Cross one stride's cell count off the list; return False when it is not there."""
    if size not in left:
        return False
    left.remove(size)
    return True


def _anchor_sizes(model: Model) -> list[int]:
    side = min(model.height, model.width)
    return [(side // stride) ** 2 for stride in STRIDES]


def yolov8_pose(model: Model) -> bool:
    if not _square(model) or len(model.outputs) != 7:
        return False
    scores, boxes = _anchor_sizes(model), _anchor_sizes(model)
    total = sum(scores)
    for shape in _shapes(model):
        if len(shape) != 3 or shape[0] != 1:
            return False
        if shape[2] == 1:
            fits = _take(scores, shape[1])
        elif shape[2] == 64:
            fits = _take(boxes, shape[1])
        else:
            fits = shape[2] % 3 == 0 and shape[1] == total
        if not fits:
            return False
    return not scores and not boxes


def _grids(model: Model, pairs: list[tuple[int, int]], box_channels: int, *, batch: bool) -> bool:
    """Tell box and class maps of strides 8, 16, 32 at the given pairs of output indexes."""
    if not _wide(model) or len(model.outputs) < 6:
        return False
    shapes = _shapes(model)
    for stride, (box_index, class_index) in zip(STRIDES, pairs, strict=True):
        grid = _breadth(model) // stride
        box, classes = shapes[box_index], shapes[class_index]
        if len(box) != 4 or len(classes) != 4:
            return False
        if box[1:] != (box_channels, grid, grid) or classes[2:] != (grid, grid):
            return False
        if batch and (box[0] != 1 or classes[0] != 1):
            return False
    return True


GROUPED = [(0, 3), (1, 4), (2, 5)]
INTERLEAVED = [(0, 1), (2, 3), (4, 5)]


def yolov8(model: Model) -> bool:
    return _grids(model, GROUPED, 64, batch=True)


def nvidia_det(model: Model) -> bool:
    if not _square(model) or len(model.outputs) != 2:
        return False
    _, first, second, *_ = model.inputs[0].shape
    wanted = (first // 16, second // 16)
    return all(len(shape) >= 4 and shape[1:3] == wanted for shape in _shapes(model))


def _pairs_of_rows(model: Model, box_width: int, *, batch: bool) -> bool:
    """Tell six 3-D outputs [1, g*g, n]: of each stride one with ``box_width``, one other."""
    if not _square(model) or len(model.outputs) != 6:
        return False
    scores, boxes = _anchor_sizes(model), _anchor_sizes(model)
    for shape in _shapes(model):
        if len(shape) != 3 or (batch and shape[0] != 1):
            return False
        if not _take(boxes if shape[2] == box_width else scores, shape[1]):
            return False
    return not scores and not boxes


def rtmdet(model: Model) -> bool:
    return _pairs_of_rows(model, 4, batch=True)


def yolo_world(model: Model) -> bool:
    return _pairs_of_rows(model, 64, batch=False)


def yolo11(model: Model) -> bool:
    return _grids(model, INTERLEAVED, 64, batch=True)


def yolo11_pose(model: Model) -> bool:
    if not _wide(model) or len(model.outputs) != 1:
        return False
    shape = model.outputs[0].shape
    return (
        len(shape) in (3, 4)
        and shape[0] == 1
        and shape[2] == _cells(model)
        and shape[1] >= 6
        and (shape[1] - 5) % 3 == 0
    )


def yolo11_seg(model: Model) -> bool:
    if not _wide(model) or len(model.outputs) != 2:
        return False
    shape, masks = _shapes(model)
    quarter = _breadth(model) // 4
    return (
        len(shape) in (3, 4)
        and shape[0] == 1
        and shape[2] == _cells(model)
        and shape[1] >= 37
        and masks == (1, 32, quarter, quarter)
    )


def yolo26(model: Model) -> bool:
    return _grids(model, INTERLEAVED, 4, batch=False) or _grids(model, GROUPED, 4, batch=False)


def bisenet_v2(model: Model) -> bool:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        return False
    shape = model.outputs[0].shape
    if len(shape) not in (3, 4):
        return False
    batch, channels, height, width = shape if len(shape) == 4 else (1, *shape)
    return batch == 1 and channels >= 2 and height >= 32 and width >= 32


def yolo26_pose(model: Model) -> bool:
    """Accept any model with one output.

    One with more needs nine and an image, whatever their shapes.
    """
    return len(model.outputs) == 1 or (len(model.outputs) >= 9 and _wide(model))


def yolo26_seg(model: Model) -> bool:
    return len(model.outputs) > 1
