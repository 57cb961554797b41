"""Describe a model of another framework that has not been loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Refusal:
    """The reason why a model cannot be converted, and a hint about the next step."""

    reason: str
    hint: str


@dataclass(frozen=True)
class FrameworkModel:
    """A model that is not ONNX yet.

    `kind` is "ultralytics", "torchscript", "pytorch" (other files of torch's, always refused),
    "tflite" or "caffe". `files` are all its files, `path` first. `facts` is read from them, ready
    for JSON. `runs_code` says whether loading it can run any code.
    """

    path: Path
    kind: str
    files: tuple[Path, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    refusal: Refusal | None = None
    runs_code: bool = False
