"""Read a model file of any supported kind, without running code in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ..camera.checks import misreading, wrong_format
from ..camera.foreign import foreign_warnings
from ..cvimodel import MAGIC, CviModel, read_model
from ..errors import InputError
from ..frameworks import FrameworkModel, recognise
from ..network.model import Network
from ..network.onnx_file import load_onnx, opset_of
from ..network.reading import ClassNamesError, read_network


@dataclass(frozen=True)
class OnnxModel:
    """A readable ONNX file: its network, or the error with which `convert` refuses it.

    Both are there when nothing but the class names is missing.
    """

    path: Path
    ir_version: int
    opset: int
    network: Network | None = None
    refusal: InputError | None = None


Inspection: TypeAlias = "CviModel | OnnxModel | FrameworkModel"


def inspect(file: Path) -> Inspection:
    """Read a .cvimodel, an .onnx file, or a model of another framework.

    Raises InputError for a file that is none of these, or is damaged.
    """
    if _is_cvimodel(file):
        return read_model(file)
    return recognise(file) or _inspect_onnx(file)


def warnings_of(model: CviModel) -> list[str]:
    """Return what the camera would make of a cvimodel that no manifest describes, if not good."""
    reasons = (misreading(model, ()), wrong_format(model), *foreign_warnings(model))
    return [reason for reason in reasons if reason]


def _is_cvimodel(file: Path) -> bool:
    """Recognise a cvimodel by its first bytes, a damaged one by its name."""
    try:
        with file.open("rb") as stream:
            start = stream.read(len(MAGIC))
    except OSError as error:
        raise InputError(
            f"{file} cannot be read: {error.strerror or error}",
            "Give the path of an .onnx or .cvimodel file.",
        ) from error
    return start == MAGIC or file.suffix == ".cvimodel"


def _inspect_onnx(file: Path) -> OnnxModel:
    model = load_onnx(file)
    ir_version, opset = model.ir_version, opset_of(model)
    try:
        network, _ = read_network(file)
    except ClassNamesError as refusal:
        return OnnxModel(file, ir_version, opset, refusal.network, refusal)
    except InputError as refusal:
        # The file itself is valid; `recam convert` would raise this error.
        return OnnxModel(file, ir_version, opset, refusal=refusal)
    return OnnxModel(file, ir_version, opset, network)
