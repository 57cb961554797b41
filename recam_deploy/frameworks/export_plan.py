"""Plan an export as data: the script, its arguments, its environment, and its cache key."""

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
OUTPUT_FILE = "model.onnx"
SCRIPTS = Path(__file__).with_name("scripts")

# Raise it when recam's own part of an export changes its result. The scripts' bytes enter the key
# as well: a change of a comment exports every model again.
_EXPORT = 1


@dataclass(frozen=True)
class _Recipe:
    """How one kind of model is exported; without an `environment`, in the compiler's."""

    title: str
    scripts: tuple[str, ...]
    environment: Environment | None
    takes_size: bool = False


_RECIPES = {
    ULTRALYTICS: _Recipe(
        "an Ultralytics checkpoint", ("ultralytics_export.py",), TORCH, takes_size=True
    ),
    TORCHSCRIPT: _Recipe(
        "a TorchScript archive", ("torchscript_export.py",), TORCH, takes_size=True
    ),
    TFLITE: _Recipe("a TFLite model", ("tflite_export.py",), TFLITE_ENVIRONMENT),
    CAFFE: _Recipe(
        "a Caffe network", ("caffe_export.py", "caffe_network.py", "caffe_layers.py"), None
    ),
}


@dataclass(frozen=True)
class ExportPlan:
    """A planned export.

    `files` are the model's files: for each, its name in the script's work folder, its path, and its
    sha256. `result` is the name of the ONNX file in the step's folder.
    """

    model: FrameworkModel
    title: str
    key: str
    scripts: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Environment | None
    files: tuple[tuple[str, Path, str], ...]
    result: str

    def display(self) -> str:
        """Return the command line as it is run in a folder with the model and the script."""
        return shlex.join(("python", self.scripts[0], *self.arguments))


def plan_export(model: FrameworkModel, size: Sequence[int] | None = None) -> ExportPlan:
    """Plan the export of `model`; `size` is the input's height and width in pixels.

    A PyTorch model needs `size` where it does not hold its own. Raises UnsupportedModelError for a
    model that was recognised and cannot be converted.
    """
    if model.refusal:
        raise UnsupportedModelError(
            f"{model.path.name} cannot be converted: {model.refusal.reason}", model.refusal.hint
        )
    recipe = _RECIPES[model.kind]
    if size and not recipe.takes_size:
        raise UnsupportedModelError(
            f"the input size of {model.path.name} is fixed in the file",
            "Leave --imgsz out (and `imgsz` in recam.toml).",
        )
    files = tuple((f"model{p.suffix.lower()}", p, sha256_of(p)) for p in model.files)
    arguments = [files[0][0], "--output", OUTPUT_FILE]
    for name, _, _ in files[1:]:
        arguments += ["--weights", name]
    if size:
        arguments += ["--imgsz", *map(str, size)]
    scripts = (*recipe.scripts, "exporting.py")
    stem = stem_of(model.path)
    key = step_key(
        STEP,
        _EXPORT,
        {
            "kind": model.kind,
            "files": [digest for _, _, digest in files],
            "name": stem,
            "arguments": arguments,
            "environment": recipe.environment.digest if recipe.environment else "compiler",
            "scripts": [hashlib.sha256((SCRIPTS / s).read_bytes()).hexdigest() for s in scripts],
        },
    )
    return ExportPlan(
        model=model,
        title=recipe.title,
        key=key,
        scripts=scripts,
        arguments=tuple(arguments),
        environment=recipe.environment,
        files=files,
        result=f"{stem}.onnx",
    )


def exported_folders(steps: Path) -> list[Path]:
    """List the folders in the step cache that hold exported models."""
    return sorted(path for path in steps.glob(f"{STEP}-*") if path.is_dir())
