"""Read and check calibration tables, and list the tensors of an MLIR file.

`model_deploy` of tpu_mlir 1.7 accepts any table: a tensor that is missing in it is silently
computed in BF16, and a table of garbage gives exit code 0 and a cvimodel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ..errors import CompilationError
from .mlir import read_operations

_FIELDS = 4
_SHOWN = 3


@dataclass(frozen=True)
class Threshold:
    """One line of a calibration table: the quantization threshold and the measured range."""

    threshold: float
    minimum: float
    maximum: float


def read_calibration_table(path: Path) -> dict[str, Threshold]:
    """Read the thresholds of a calibration table by tensor, in the table's order.

    Lines are `name threshold min max`, after `#` headers. Raises CompilationError when the file
    cannot be read, has another form, or has no tensors.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _bad_table(path, "it cannot be read") from error
    table: dict[str, Threshold] = {}
    for number, line in enumerate(lines, start=1):
        if line.startswith("#") or not line.strip():
            continue
        words = line.split()
        try:
            values = [float(word) for word in words[1:_FIELDS]]
        except ValueError:
            values = []
        if len(words) != _FIELDS or not all(map(math.isfinite, values)) or not values:
            raise _bad_table(path, f"line {number} is not `name threshold min max`")
        table[words[0]] = Threshold(*values)
    if not table:
        raise _bad_table(path, "it has no tensors")
    return table


def _bad_table(path: Path, why: str) -> CompilationError:
    return CompilationError(
        f"the calibration table {path.name} cannot be used: {why}", "Calibrate again."
    )


def mlir_tensors(text: str) -> tuple[str, ...]:
    """List the tensors that need a threshold in a top-dialect MLIR file; see `read_operations`."""
    return tuple(operation.name for operation in read_operations(text))


def check_calibration_table(table: Path, mlir: Path) -> None:
    """Raise CompilationError unless `table` has a threshold for every tensor of `mlir`."""
    known = read_calibration_table(table)
    missing = [name for name in mlir_tensors(mlir.read_text("utf-8")) if name not in known]
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise CompilationError(
            f"the calibration table {table.name} lacks {', '.join(missing[:_SHOWN])}{more}",
            "It belongs to another network, or is incomplete. Calibrate this network.",
        )
