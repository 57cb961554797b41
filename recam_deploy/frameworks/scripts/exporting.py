"""What the exporting scripts share. They run in environments of their own, never in recam's.

A script is called as `python X_export.py MODEL… --output OUT.onnx` in a scratch folder. It leaves
the ONNX model, `report.json`, and `proof.npz`: one random input and what the framework itself
computes from it, in the order of the ONNX model's outputs. recam compares them.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

REPORT, PROOF = "report.json", "proof.npz"


class ExportRefusedError(Exception):
    """The model cannot be exported: why, and what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def load_refusal(error: Exception, package: str) -> ExportRefusedError | None:
    """What a checkpoint lacks here, by the error of loading it; None for any other error.

    `package` names the framework and its version, such as "Ultralytics 8.3.0".
    """
    text = str(error)
    hint = "Export it to ONNX where it was trained: opset 17, fixed shapes."
    missing = re.search(r"Can't get attribute '([^']+)' on <module '([^']+)'", text)
    if missing:
        reason = f"it needs the class {missing[1]} of {missing[2]}, which {package} does not have"
        return ExportRefusedError(f"{reason}: another version or a fork trained it", hint)
    if isinstance(error, ModuleNotFoundError) and error.name:
        if error.name.partition(".")[0] == "numpy":
            return ExportRefusedError(f"another NumPy saved it (it needs {error.name})", hint)
        reason = f"it needs the module {error.name}, which {package} does not have"
        return ExportRefusedError(f"{reason}: another version or a fork trained it", hint)
    if "numpy" in text and ("_reconstruct" in text or "multiarray" in text or "_core" in text):
        return ExportRefusedError("another NumPy saved it", hint)
    if isinstance(error, AttributeError | TypeError) and "NoneType" in text:
        return ExportRefusedError(
            "the checkpoint holds no network (its `model` and `ema` are empty)",
            "Give the file that training wrote last, best.pt or last.pt.",
        )
    return None


def arguments(description: str) -> argparse.ArgumentParser:
    """The arguments that all scripts take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    return parser


def add_size(parser: argparse.ArgumentParser) -> None:
    """--imgsz H W."""
    parser.add_argument("--imgsz", type=int, nargs=2, metavar=("H", "W"))


def run(main: Callable[[], dict[str, str]]) -> None:
    """Run `main`, which returns the versions of what it used, and write the report."""
    report: dict[str, Any]
    try:
        report = {"versions": main()}
    except ExportRefusedError as error:
        report = {"error": error.message, "hint": error.hint}
    Path(REPORT).write_text(json.dumps(report), encoding="utf-8")
    sys.exit("error" in report)


def write_proof(picture: Any, outputs: Sequence[Any]) -> None:
    """Keep one input, [1, 3, H, W], and the framework's own outputs."""
    arrays: dict[str, Any] = {f"output_{i}": np.asarray(array) for i, array in enumerate(outputs)}
    np.savez(PROOF, **arrays, input=np.asarray(picture, np.float32))


def noise(height: int, width: int) -> Any:
    """A picture of noise, float32 [1, 3, H, W], values 0 to 1."""
    return np.random.default_rng(0).random((1, 3, height, width), np.float32)


def output_shapes(path: Path) -> list[tuple[int, ...]]:
    """The shapes of the outputs that an ONNX file declares."""
    model = onnx.load(path)
    return [
        tuple(int(side.dim_value) for side in value.type.tensor_type.shape.dim)
        for value in model.graph.output
    ]
