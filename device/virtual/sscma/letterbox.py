"""Picture file to model input, pixel for pixel as OpenCV does it on the camera.

Source of the steps: ``preprocessImage`` in sscma-example-sg200x
``solutions/sscma-model/main/main.cpp``: scaled to fit (``INTER_LINEAR``), centred,
padded with zeros, RGB. The interpolation is OpenCV's for 8-bit pixels: weights in
11-bit fixed point, horizontally first (``modules/imgproc/src/resize.cpp``).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .tensors import Model

ONE = 2048  # 1.0 in the interpolation's fixed point
ROW_ALIGNMENT = 64  # bytes: DEFAULT_ALIGN of sophgo/osdrv interdrv/vpss on cv181x


@contextlib.contextmanager
def _as_much_as_there_is() -> Iterator[None]:
    """OpenCV returns what it could decode of a truncated file; Pillow's switch is global."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def read_image(path: Path) -> NDArray[np.uint8] | None:
    """[H, W, 3] RGB, turned as its EXIF says; None when it is no readable picture."""
    try:
        with _as_much_as_there_is(), Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            return np.asarray(upright.convert("RGB"))
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError):
        return None


def _weights(source: int, target: int, *, clamp: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """First source index of each target pixel and the two fixed-point weights [n, 2].

    Columns outside the picture get their weight moved to the border (``clamp``);
    rows keep their weights and repeat the border row, as in OpenCV.
    """
    position = (np.arange(target) + 0.5) * (source / target) - 0.5
    position = position.astype(np.float32)
    first = np.floor(position).astype(np.int64)
    fraction = position - first.astype(np.float32)
    if clamp:
        outside = (first < 0) | (first >= source - 1)
        fraction = np.where(outside, np.float32(0), fraction)
        first = np.clip(first, 0, source - 1)
    pair = np.stack([np.float32(1) - fraction, fraction], axis=1)
    return first, np.rint(pair * np.float32(ONE)).astype(np.int32)


def resize(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Bilinear interpolation of [H, W, 3] to [height, width, 3]."""
    source_h, source_w = image.shape[:2]
    if (source_h, source_w) == (height, width):
        return image
    total: NDArray[Any]
    if (source_h, source_w) == (2 * height, 2 * width):
        # Exactly half: OpenCV averages areas instead.
        total = image.reshape(height, 2, width, 2, -1).astype(np.int32).sum(axis=(1, 3))
    else:
        x, x_weights = _weights(source_w, width, clamp=True)
        y, y_weights = _weights(source_h, height, clamp=False)
        next_x = np.minimum(x + 1, source_w - 1)
        across = image[:, x] * x_weights[:, 0, None] + image[:, next_x] * x_weights[:, 1, None]
        upper = across[np.clip(y, 0, source_h - 1)] >> 4
        lower = across[np.clip(y + 1, 0, source_h - 1)] >> 4
        total = (upper * y_weights[:, 0, None, None]) >> 16
        total += (lower * y_weights[:, 1, None, None]) >> 16
    pixels: NDArray[np.uint8] = np.clip((total + 2) >> 2, 0, 255).astype(np.uint8)
    return pixels


def letterbox(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """[height, width, 3], the picture centred on black. ValueError when a side
    shrinks to nothing."""
    source_h, source_w = image.shape[:2]
    scale = min(height / source_h, width / source_w)
    new_h, new_w = math.trunc(source_h * scale), math.trunc(source_w * scale)
    if new_h < 1 or new_w < 1:
        raise ValueError("the picture is too narrow")
    top, left = (height - new_h) // 2, (width - new_w) // 2
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[top : top + new_h, left : left + new_w] = resize(image, new_w, new_h)
    return canvas


def input_bytes(model: Model, pixels: NDArray[np.uint8]) -> bytes:
    """Fill the input tensor as ``sscma-model``'s ``preprocess`` does.

    Pixels are packed or planar by the tensor's shape, one byte each whatever the type, minus 128
    for int8. Rows lie one behind the other even where the tensor has them padded.
    """
    raw = _fitting(_planes(model, pixels), model.inputs[0].size)
    if model.inputs[0].dtype == "int8":
        raw -= np.uint8(128)
    return raw.tobytes()


def frame_bytes(model: Model, pixels: NDArray[np.uint8]) -> bytes:
    """Lay out a video frame as the live path hands it to the TPU, and cut it to the tensor's size.

    The runtime gets the frame's physical address and copies nothing, so rows are those of the
    scaler: padded to 64 bytes, whether the model was built for that or not.
    """
    planes = _planes(model, pixels)
    rows = planes.reshape(planes.shape[0], -1) if model.packed else planes
    padding = -rows.shape[-1] % ROW_ALIGNMENT
    padded = np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, padding)])
    return _fitting(padded, model.inputs[0].size).tobytes()


def _planes(model: Model, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Arrange pixels [H, W, 3] as the input has them: [H, W, C] or [C, H, W]."""
    if model.channels == 1:
        weights = np.array([299, 587, 114])
        pixels = ((pixels @ weights) // 1000).astype(np.uint8)[:, :, None]
    return pixels if model.packed else pixels.transpose(2, 0, 1)


def _fitting(values: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Cut the values to `size` bytes, or fill them up with zeros."""
    raw = np.zeros(size, np.uint8)
    flat = np.ascontiguousarray(values).reshape(-1)[:size]
    raw[: len(flat)] = flat
    return raw
