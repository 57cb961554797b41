"""Read which picture a model takes, and refuse, with the reason, what the camera cannot give."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import onnx

from ..errors import UnsupportedModelError
from .model import NetworkInput

_EXPORT = 'With Ultralytics: YOLO("best.pt").export(format="onnx", imgsz=640'
_USUAL_SIDE = 640
_COLOURS = 3
_MOST_PIXELS = (256 << 20) // _COLOURS
"""The camera has 256 MB of memory, and a pixel of the picture takes three bytes."""


def image_of(model: onnx.ModelProto) -> NetworkInput:
    """Find the one input that is not a constant, and check that it is one image of fixed size.

    Raises UnsupportedModelError for anything else.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise UnsupportedModelError(
            f"the model has {len(inputs)} inputs ({names}); the camera feeds exactly one image",
            "Export the model with the image as its only input.",
        )
    tensor = inputs[0].type.tensor_type
    sizes = [max(dim.dim_value, 0) for dim in tensor.shape.dim]
    shown = "×".join(
        str(size or dim.dim_param or "?") for size, dim in zip(sizes, tensor.shape.dim, strict=True)
    )
    _check_channels(sizes, shown)
    if not all(sizes):
        flag = ",".join(map(str, _fixed(sizes, model)))
        raise UnsupportedModelError(
            f"the input shape {shown} is dynamic; the compiler needs fixed sizes",
            f"Fix it with --input-shape {flag}, or export with a fixed size. {_EXPORT}, "
            "dynamic=False).",
        )
    _check_type(tensor.elem_type)
    if sizes[2] * sizes[1 if sizes[3] == _COLOURS != sizes[1] else 3] > _MOST_PIXELS:
        raise UnsupportedModelError(
            f"the input {shown} is larger than the camera's memory of 256 MB",
            f"Export with a smaller size. {_EXPORT}).",
        )
    return _image(inputs[0].name, sizes)


def _check_channels(sizes: Sequence[int], shown: str) -> None:
    """Raise UnsupportedModelError unless the sizes, 0 for dynamic ones, may be one RGB image."""
    if len(sizes) != 4:
        raise UnsupportedModelError(
            f"the input shape {shown or 'of no axes'} is not one RGB image (1×3×H×W)",
            f"Export with batch size 1 and three channels. {_EXPORT}).",
        )
    batch, first, _, last = sizes
    if batch > 1:
        raise UnsupportedModelError(
            f"the input {shown} is a batch of {batch} pictures; the camera gives one at a time",
            f"Export with batch size 1. {_EXPORT}, batch=1).",
        )
    if _COLOURS in (first, last) or not first or (not last and first > 8):
        return
    channels = last if last in (1, 2, 4) and first > 8 else first
    if channels == 1:
        raise UnsupportedModelError(
            f"the input {shown} is a grey picture; the camera gives three colours",
            "Train the model on colour pictures, with channels: 3 in its data.yaml. A first "
            "convolution for three channels can also be made from the grey one's weights, times "
            "0.299, 0.587 and 0.114.",
        )
    raise UnsupportedModelError(
        f"the input {shown} has {channels} channels; the camera gives one RGB picture (1×3×H×W)",
        "Train the model on colour pictures alone, with channels: 3 in its data.yaml.",
    )


def _check_type(kind: int) -> None:
    if kind != onnx.TensorProto.FLOAT:
        types = {value: name.lower() for name, value in onnx.TensorProto.DataType.items()}
        name = types.get(kind, f"of an unknown type ({kind})")
        raise UnsupportedModelError(
            f"the input is {name}; a float32 model is needed",
            "Export without half precision or quantization: recam quantizes the model. A cast of "
            "the input to float32 as the first operator is left out by itself.",
        )


def _image(name: str, sizes: Sequence[int]) -> NetworkInput:
    if sizes[3] == _COLOURS != sizes[1]:
        return NetworkInput(name, sizes[1], sizes[2], channels_last=True)
    return NetworkInput(name, sizes[2], sizes[3])


def _fixed(sizes: Sequence[int], model: onnx.ModelProto) -> list[int]:
    """Return the sizes with dynamic ones filled in: one picture, of the size that was exported."""
    text = next((entry.value for entry in model.metadata_props if entry.key == "imgsz"), "")
    try:
        height, width = (int(side) for side in ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        known = [size for size in sizes[1:] if size > _COLOURS]
        height = width = known[0] if known else _USUAL_SIDE
    last = sizes[3] == _COLOURS != sizes[1]
    usual = (1, height, width, _COLOURS) if last else (1, _COLOURS, height, width)
    return [size or fill for size, fill in zip(sizes, usual, strict=True)]


def check_family_image(image: NetworkInput) -> None:
    """Raise UnsupportedModelError for an input that the camera's families do not have."""
    if image.channels_last:
        raise UnsupportedModelError(
            "the input has its channels last (1×H×W×3); the camera's families need them first",
            "Export with the channels first, or convert with --family raw.",
        )
    if image.height != image.width:
        side = max(image.height, image.width)
        raise UnsupportedModelError(
            f"the input is {image.width}×{image.height}; the camera needs a square one",
            f"Export with a square size, for instance imgsz={-(-side // 64) * 64}: pictures of any "
            "proportions are letterboxed to it.",
        )
    if image.width % 32:
        raise UnsupportedModelError(
            f"the input side {image.width} is not a multiple of 32, which the camera needs",
            f"Export with imgsz={max(64, round(image.width / 64) * 64)}: of multiples of 64 the "
            "camera's rows need no padding.",
        )
