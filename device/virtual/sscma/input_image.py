"""The picture that a model's class asks for, and the bytes that end up in its input tensor.

Sources: the constructors and `preprocess` of SSCMA-Micro `ma_model_detector.cpp`,
`ma_model_classifier.cpp`, `ma_model_pose_detector.cpp`, `ma_model_segmentor.cpp`; `convert` in
`cv/ma_cv.cpp`; sscma-example-sg200x `solutions/sscma-node/main/node/camera.cpp` and
`components/sophgo/video/video.c` for the live path.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .factory import Family
    from .tensors import Model

    Pixels = NDArray[np.uint8]

ROW_ALIGNMENT = 64  # bytes: DEFAULT_ALIGN of sophgo/osdrv interdrv/vpss on cv181x


class Format(Enum):
    """An order of a picture's bytes."""

    PACKED = "RGB, pixel by pixel"
    PLANAR = "RGB, plane by plane"
    GREY = "one byte a pixel"


@dataclass(frozen=True)
class InputImage:
    """The picture that a class asks for."""

    width: int
    height: int
    format: Format


def image_of(model: Model, family: Family) -> InputImage:
    """Tell what picture the class of a family asks for.

    Only detectors know planar pictures: the others call a planar tensor packed. The classifier
    takes the height of a packed tensor for its width.
    """
    width, height = model.width, model.height
    if family.output == "classes" and model.packed:
        width, height = height, width
    if model.channels != 3:
        return InputImage(width, height, Format.GREY)
    planar = family.output == "boxes" and not model.packed
    return InputImage(width, height, Format.PLANAR if planar else Format.PACKED)


def input_bytes(model: Model, image: InputImage, pixels: Pixels) -> bytes:
    """Fill the input tensor with a picture [H, W, 3] as `sscma-model` does.

    One byte a value whatever the tensor's type, minus 128 for int8. Rows lie one behind the other
    even where the tensor has them padded.
    """
    raw = _fitting(_converted(image, pixels), model.inputs[0].size)
    if model.inputs[0].dtype == "int8":
        raw -= np.uint8(128)
    return raw.tobytes()


def _converted(image: InputImage, pixels: Pixels) -> Pixels:
    if image.format is Format.PLANAR:
        planes: Pixels = pixels.transpose(2, 0, 1)
        return planes
    return _grey(pixels) if image.format is Format.GREY else pixels


def _grey(pixels: Pixels) -> Pixels:
    """Make the camera's grey: it takes the first two bytes of each RGB888 pixel for RGB565."""
    first, second = pixels[:, :, 0].astype(np.int32), pixels[:, :, 1].astype(np.int32)
    red = _of_bits(first >> 3, 5)
    green = _of_bits((first & 7) << 3 | second >> 5, 6)
    blue = _of_bits(second & 31, 5)
    grey: Pixels = ((red * 299 + green * 587 + blue * 114) // 1000).astype(np.uint8)
    return grey


def _of_bits(values: NDArray[np.int32], bits: int) -> NDArray[np.int32]:
    """Spread a number of some bits over 0 to 255."""
    return np.rint(values * 255 / ((1 << bits) - 1)).astype(np.int32)


def frame_bytes(model: Model, image: InputImage, pixels: Pixels) -> bytes:
    """Lay out a video frame as the live path hands it to the TPU, and cut it to the tensor's size.

    The runtime gets the frame's physical address and copies nothing, so rows are those of the
    scaler: padded to 64 bytes, whether the model was built for that or not. The camera node has no
    channel for planar or grey pictures: the model gets NV21. How the sensor's colours become NV21
    is not known here; it is JPEG's YCbCr.
    """
    planes = [pixels.reshape(len(pixels), -1)] if image.format is Format.PACKED else _nv21(pixels)
    padded = [np.pad(plane, ((0, 0), (0, -plane.shape[1] % ROW_ALIGNMENT))) for plane in planes]
    return _fitting(np.concatenate(padded), model.inputs[0].size).tobytes()


def _nv21(pixels: Pixels) -> list[Pixels]:
    """Make two planes: brightness [H, W], and of every fourth pixel red and blue in turn."""
    colours = np.asarray(Image.fromarray(pixels).convert("YCbCr"))
    quarter = colours[::2, ::2, :0:-1]
    return [colours[:, :, 0], quarter.reshape(len(quarter), -1)]


def _fitting(values: Pixels, size: int) -> Pixels:
    """Cut the values to `size` bytes, or fill them up with zeros."""
    raw = np.zeros(size, np.uint8)
    flat = np.ascontiguousarray(values).reshape(-1)[:size]
    raw[: len(flat)] = flat
    return raw
