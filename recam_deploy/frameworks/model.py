"""The values that describe a model of another framework, before anything of it is loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Refusal:
    """Why a model cannot be taken, and the way out."""

    reason: str
    hint: str


@dataclass(frozen=True)
class FrameworkModel:
    """A model that is not ONNX yet.

    `kind` is "ultralytics", "torchscript", "pytorch" (other files of torch's, always refused),
    "tflite" or "caffe". `files` are all files that it consists of, `path` first. `facts` is what
    they say of themselves, ready for JSON. `runs_code` says that loading it can run any code.
    """

    path: Path
    kind: str
    files: tuple[Path, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    refusal: Refusal | None = None
    runs_code: bool = False
