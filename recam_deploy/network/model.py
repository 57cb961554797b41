"""Describe an inspected ONNX model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

YOLO11_DETECT = "yolo11-detect"
"""YOLO11 and YOLOv8 detection: both have these heads, and the camera decodes both alike."""
YOLO26_DETECT = "yolo26-detect"
"""Decoded by firmware 0.2.3 and newer."""
YOLO11_POSE = "yolo11-pose"
YOLO11_SEG = "yolo11-seg"
YOLOV5_DETECT = "yolov5-detect"
"""YOLOv5 in the layout of its releases 6 and 7 (YOLOv3's and YOLOv7's exports have it too); the
`u` variants have YOLOv8's heads and are of that family."""
CLASSIFY = "classify"
RAW = "raw"
FAMILIES = (*(YOLO11_DETECT, YOLO26_DETECT, YOLO11_POSE, YOLO11_SEG, YOLOV5_DETECT, CLASSIFY, RAW),)
"""Any other network with one image as its input: converted, but the camera does not show it."""


@dataclass(frozen=True)
class NetworkInput:
    """The one input image, float32 [1, 3, height, width].

    With `channels_last` it is [1, height, width, 3].
    """

    name: str
    height: int
    width: int
    channels_last: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Return the four dimensions of the input."""
        sides = (self.height, self.width)
        return (1, *sides, 3) if self.channels_last else (1, 3, *sides)


@dataclass(frozen=True)
class Preprocessing:
    """How pixels become the network's input: (value - mean) * scale for each channel.

    Values are 0 to 255, channels in the order of `pixel_format`, "rgb" or "bgr". It is fused into
    the cvimodel, whose input is RGB bytes in any case. With `keep_aspect_ratio` pictures are
    letterboxed, else stretched: to the network's input size, or to `resize_dims` (height, width),
    whose centre the network takes.
    """

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1 / 255, 1 / 255, 1 / 255)
    pixel_format: str = "rgb"
    keep_aspect_ratio: bool = True
    resize_dims: tuple[int, int] | None = None


YOLO_PREPROCESSING = Preprocessing()
"""The preprocessing of all the camera's families: RGB, 0 to 1, letterboxed."""


@dataclass(frozen=True)
class Head:
    """The names of the box tensor and the class tensor at one stride.

    `box` is [1, 64, g, g], or [1, 4, g, g] for YOLO26; `logits` is [1, nc, g, g].
    """

    stride: int
    box: str
    logits: str


@dataclass(frozen=True)
class DecodingCheck:
    """Whether the model's own decoding and the camera's gave the same on one picture.

    `reason` says why that could not be checked; it is empty where it was.
    """

    reason: str = "the model was not run"

    @property
    def checked(self) -> bool:
        """Say whether both were compared, and agreed."""
        return not self.reason

    def as_json(self) -> dict[str, bool | str]:
        """Return the value of `decoding` in JSON documents."""
        return {"checked": self.checked, "reason": self.reason}

    def __str__(self) -> str:
        """Say it in one line."""
        if self.checked:
            return "as the camera decodes it, on a test picture"
        return f"not checked against the camera's: {self.reason}"


ONE_TO_ONE = "one-to-one"
ONE_TO_MANY = "one-to-many"


@dataclass(frozen=True)
class Network:
    """An ONNX model of a family that the camera shows.

    `cut_at` are the tensors that become the cvimodel's outputs, in the order that the camera needs,
    and `output_shapes` their shapes in the cvimodel. `float_tail` are the tensors to compute in
    BF16: those between the last convolutions and the outputs of families that mix coordinates and
    scores in one tensor, for which one INT8 scale is too coarse. `heads` are a detector's;
    `assignment` says for YOLO26, which is trained with two sets of them, which set they are:
    ONE_TO_ONE, ONE_TO_MANY, or "" where the file does not tell.
    `normalised` are the steps that brought the file's model to the form that recam reads, if any.
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
    assignment: str = ""
    decoding: DecodingCheck = DecodingCheck()
    normalised: tuple[str, ...] = ()

    @property
    def picture_size(self) -> tuple[int, int]:
        """Return height and width of the cvimodel's input, in pixels."""
        dims = self.preprocessing.resize_dims or (self.input.height, self.input.width)
        return max(dims[0], self.input.height), max(dims[1], self.input.width)
