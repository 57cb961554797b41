"""What the exporting scripts share. They run in environments of their own, never in recam's.

A script is called as `python X_export.py MODEL… --output OUT.onnx` in a scratch folder. It leaves
the ONNX model, `report.json`, and `proof.npz`: one random input and what the framework itself
computes from it, in the order of the ONNX model's outputs. recam compares them.
"""

from __future__ import annotations

import argparse
import json
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
