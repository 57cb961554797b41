"""The values that describe an inspected ONNX model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

YOLO11_DETECT = "yolo11-detect"
"""YOLO11 and YOLOv8 detection: both have this head, and the camera decodes both by one class."""


@dataclass(frozen=True)
class NetworkInput:
    """The one input image: float32 [1, 3, height, width], RGB, 0 to 1."""

    name: str
    height: int
    width: int


@dataclass(frozen=True)
class Head:
    """The two tensors of one scale: `box` [1, 64, g, g] and class `logits` [1, nc, g, g]."""

    stride: int
    box: str
    logits: str


@dataclass(frozen=True)
class Network:
    """An ONNX model of a family that the camera shows. `heads` go from stride 8 to 32."""

    path: Path
    sha256: str
    ir_version: int
    opset: int
    family: str
    input: NetworkInput
    heads: tuple[Head, ...]
    classes: int
    labels: tuple[str, ...]

    @property
    def cut_at(self) -> tuple[str, ...]:
        """The tensors to cut at, in the order that the camera must find them in the cvimodel."""
        return tuple(name for head in self.heads for name in (head.box, head.logits))
