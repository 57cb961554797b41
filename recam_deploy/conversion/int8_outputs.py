"""Make a detector's outputs INT8 so that the camera's decoder reads them right.

Outputs in INT8 take a quarter of the memory of float32 ones. `postProcessI8` of SSCMA-Micro
`sscma/core/model/ma_model_yolo11.cpp`, in all released firmware, multiplies class values with the
box map's scale and box values with the class map's. Where both maps of a stride have the same
scale, that changes nothing. The scale follows from the threshold in the calibration table.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..errors import CompilationError, InputError
from ..network.model import YOLO11_DETECT, Network
from ..toolchain import read_calibration_table
from .commands import INT8


def check_int8_outputs(network: Network, quantization: str) -> None:
    """Raise InputError unless INT8 outputs are possible: YOLO11 or YOLOv8 detection, in INT8."""
    if network.family != YOLO11_DETECT:
        raise InputError(
            f"INT8 outputs are for YOLO11 and YOLOv8 detectors, and this model is {network.family}",
            "Leave --int8-outputs (or `int8_outputs`) out.",
        )
    if quantization != INT8:
        raise InputError(
            f"INT8 outputs need a model that is all INT8, and the precision is {quantization}",
            "Leave --int8-outputs (or `int8_outputs`) out, or convert with --quantize int8.",
        )


def share_thresholds(table: Path, network: Network) -> None:
    """Give both maps of a stride the larger of their thresholds, in the file `table`.

    Raises CompilationError when the table cannot be read or lacks an output.
    """
    known = read_calibration_table(table)
    shared: dict[str, float] = {}
    for pair in zip(network.cut_at[0::2], network.cut_at[1::2], strict=True):
        names = [_name_in_table(tensor, known) for tensor in pair]
        shared |= dict.fromkeys(names, max(known[name].threshold for name in names))
    lines = table.read_text(encoding="utf-8-sig").splitlines()
    table.write_text("".join(f"{_with_threshold(line, shared)}\n" for line in lines), "utf-8")


def _name_in_table(tensor: str, known: Iterable[str]) -> str:
    """Return the compiler's name of an ONNX tensor: after `_` it has the operator that made it."""
    for name in known:
        if name == tensor or name.rpartition("_")[0] == tensor:
            return name
    raise CompilationError(
        f"the calibration table has no threshold for the output {tensor}",
        "Calibrate this network, or convert without --int8-outputs.",
    )


def _with_threshold(line: str, shared: dict[str, float]) -> str:
    words = line.split()
    if not words or words[0] not in shared:
        return line
    return " ".join((words[0], repr(shared[words[0]]), *words[2:]))
