"""Compile a network as it was before `--aligned_input`: for rows without padding."""

from __future__ import annotations

import shutil
from pathlib import Path

from recam_deploy.conversion.commands import (
    CVIMODEL_FILE,
    MLIR_FILE,
    TABLE_FILE,
    deploy_command,
)
from recam_deploy.conversion.options import DeployOptions
from recam_deploy.errors import CompilationError
from recam_deploy.progress import SilentProgress
from recam_deploy.toolchain import ToolCommand, find, run_tool
from recam_deploy.toolchain.tables import check_calibration_table


def build_dense(cache: Path, side: int, quantization: str, folder: Path) -> Path:
    """Compile in `folder`, from the steps of a conversion of a square network that is cached.

    Of several networks of that side in the cache any is taken.
    """
    folder.mkdir(exist_ok=True)
    steps = list((cache / "steps").iterdir())
    made = next(step for step in steps if f"1x3x{side}x{side}x" in _text(step / MLIR_FILE))
    for path in made.iterdir():
        shutil.copy(path, folder)
    if quantization == "int8":
        tables = [step / TABLE_FILE for step in steps if (step / TABLE_FILE).is_file()]
        shutil.copy(next(table for table in tables if _fits(table, made / MLIR_FILE)), folder)
    product = deploy_command(quantization, DeployOptions(), None)
    words = tuple(word for word in product.arguments if word != "--aligned_input")
    toolchain = find(cache)
    assert toolchain
    command = ToolCommand("model_deploy", words, (Path(CVIMODEL_FILE),))
    run_tool(toolchain, command, folder, folder / "log", SilentProgress())
    return folder / CVIMODEL_FILE


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def _fits(table: Path, mlir: Path) -> bool:
    """Say whether a calibration table has a threshold for every tensor of a network."""
    try:
        check_calibration_table(table, mlir)
    except CompilationError:
        return False
    return True
