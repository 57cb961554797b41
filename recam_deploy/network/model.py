"""The values that describe an inspected ONNX model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

YOLO11_DETECT = "yolo11-detect"
"""YOLO11 and YOLOv8 detection: both have this head, and the camera decodes both by one class."""
YOLO26_DETECT = "yolo26-detect"
"""Decoded by firmware 0.2.3 and newer."""
YOLO11_POSE = "yolo11-pose"
YOLO11_SEG = "yolo11-seg"
YOLOV5_DETECT = "yolov5-detect"
"""YOLOv5 in the layout of its releases 6 and 7 (YOLOv3's and YOLOv7's exports have it too); the
`u` variants have YOLOv8's heads and are of that family."""
CLASSIFY = "classify"
RAW = "raw"
"""Any other network with one image as its input: converted, but the camera does not show it."""


@dataclass(frozen=True)
class NetworkInput:
    """The one input image: float32 [1, 3, height, width], or [1, height, width, 3] where its
    channels come last."""

    name: str
    height: int
    width: int
    channels_last: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Its four dimensions."""
        sides = (self.height, self.width)
        return (1, *sides, 3) if self.channels_last else (1, 3, *sides)


@dataclass(frozen=True)
class Preprocessing:
    """What the network expects of a picture's values: (value - mean) * scale a channel, values 0 to
    255, channels in the order of `pixel_format`, "rgb" or "bgr". It is fused into the cvimodel,
    which takes RGB bytes in any case.

    `keep_aspect_ratio` letterboxes pictures, else they are stretched; to the network's own size,
    or to `resize_dims` (height, width), of which the network takes the centre.
    """

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1 / 255, 1 / 255, 1 / 255)
    pixel_format: str = "rgb"
    keep_aspect_ratio: bool = True
    resize_dims: tuple[int, int] | None = None


YOLO_PREPROCESSING = Preprocessing()
"""What all families of the camera's take: RGB, 0 to 1, letterboxed."""


@dataclass(frozen=True)
class Head:
    """The two tensors of one scale: `box` [1, 64, g, g], or [1, 4, g, g] for YOLO26, and class
    `logits` [1, nc, g, g]."""

    stride: int
    box: str
    logits: str


@dataclass(frozen=True)
class Network:
    """An ONNX model of a family that the camera shows.

    `cut_at` are the tensors that become the cvimodel's outputs, in the order that the camera must
    find them, and `output_shapes` their shapes there. `float_tail` are the tensors between the last
    convolutions and the outputs of families that mix coordinates and scores in one tensor: one
    INT8 scale cannot hold both, so they are computed in BF16. `heads` are a detector's.
    """

    path: Path
    sha256: str
    ir_version: int
    opset: int
    family: str
    input: NetworkInput
    cut_at: tuple[str, ...]
    output_shapes: tuple[tuple[int, ...], ...]
    classes: int
    labels: tuple[str, ...]
    heads: tuple[Head, ...] = ()
    float_tail: tuple[str, ...] = ()
    preprocessing: Preprocessing = Preprocessing()

    @property
    def picture_size(self) -> tuple[int, int]:
        """Height and width of the picture that the cvimodel takes, in pixels."""
        dims = self.preprocessing.resize_dims or (self.input.height, self.input.width)
        return max(dims[0], self.input.height), max(dims[1], self.input.width)
