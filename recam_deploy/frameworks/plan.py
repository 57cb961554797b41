"""What an export will do, as data: the script, its arguments, where it runs, and its cache key."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..artifact import sha256_of
from ..errors import UnsupportedModelError
from ..files import stem_of
from ..step_cache import step_key
from .caffe_files import CAFFE
from .environments import TFLITE as TFLITE_ENVIRONMENT
from .environments import TORCH, Environment
from .model import FrameworkModel
from .tflite_file import TFLITE
from .torch_archive import TORCHSCRIPT, ULTRALYTICS

STEP = "export"
MADE = "model.onnx"
SCRIPTS = Path(__file__).with_name("scripts")

# Raise it when our own part of an export changes its result.
_EXPORT = 1


@dataclass(frozen=True)
class _Way:
    """How one kind of model is exported; no environment means the compiler's own."""

    title: str
    scripts: tuple[str, ...]
    environment: Environment | None
    takes_size: bool = False


_WAYS = {
    ULTRALYTICS: _Way(
        "an Ultralytics checkpoint", ("ultralytics_export.py",), TORCH, takes_size=True
    ),
    TORCHSCRIPT: _Way("a TorchScript archive", ("torchscript_export.py",), TORCH, takes_size=True),
    TFLITE: _Way("a TFLite model", ("tflite_export.py",), TFLITE_ENVIRONMENT),
    CAFFE: _Way(
        "a Caffe network", ("caffe_export.py", "caffe_network.py", "caffe_layers.py"), None
    ),
}


@dataclass(frozen=True)
class ExportPlan:
    """`files` are the model's own with their hashes, as they are named in the folder that the
    script works in; `result` is the name of the ONNX file in the step's folder."""

    model: FrameworkModel
    title: str
    key: str
    scripts: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Environment | None
    files: tuple[tuple[str, Path, str], ...]
    result: str

    def display(self) -> str:
        """The command line, as it is run in a folder that holds the model and the script."""
        return shlex.join(("python", self.scripts[0], *self.arguments))


def plan_export(model: FrameworkModel, size: Sequence[int] | None = None) -> ExportPlan:
    """Plan the export of `model`; `size` is the input's height and width, where a PyTorch model
    does not say it or another is wanted.

    Raises UnsupportedModelError for a model that was recognised and cannot be taken.
    """
    if model.refusal:
        raise UnsupportedModelError(
            f"{model.path.name} cannot be taken: {model.refusal.reason}", model.refusal.hint
        )
    way = _WAYS[model.kind]
    if size and not way.takes_size:
        raise UnsupportedModelError(
            f"{model.path.name} says itself how large its input is",
            "Leave --imgsz out (and `imgsz` in recam.toml).",
        )
    files = tuple((f"model{p.suffix.lower()}", p, sha256_of(p)) for p in model.files)
    arguments = [files[0][0], "--output", MADE]
    for name, _, _ in files[1:]:
        arguments += ["--weights", name]
    if size:
        arguments += ["--imgsz", *map(str, size)]
    scripts = (*way.scripts, "exporting.py")
    stem = stem_of(model.path)
    key = step_key(
        STEP,
        _EXPORT,
        {
            "kind": model.kind,
            "files": [digest for _, _, digest in files],
            "name": stem,
            "arguments": arguments,
            "environment": way.environment.digest if way.environment else "compiler",
            "scripts": [hashlib.sha256((SCRIPTS / s).read_bytes()).hexdigest() for s in scripts],
        },
    )
    return ExportPlan(
        model=model,
        title=way.title,
        key=key,
        scripts=scripts,
        arguments=tuple(arguments),
        environment=way.environment,
        files=files,
        result=f"{stem}.onnx",
    )


def exported_folders(steps: Path) -> list[Path]:
    """The folders in the step cache that hold exported models."""
    return sorted(path for path in steps.glob(f"{STEP}-*") if path.is_dir())
