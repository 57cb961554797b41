"""Lower an artifact's network again, to the operators of the chip that `emulation` computes."""

from __future__ import annotations

from pathlib import Path

from ..artifact import Artifact
from ..progress import Progress
from ..toolchain import Compiler
from .recompile import Variant, recompile

# `model_deploy` lowers, lays the result out in memory, and removes what it lowered. Without the
# second part this takes a fraction of a second.
_SCRIPT = """\
import runpy
import sys

from utils import auto_remove, mlir_shell

mlir_shell.mlir_to_model = lambda *_, **__: {}
auto_remove.file_clean = lambda: None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
_LOWERED = "*_tpu.mlir"
_LOWER = Variant(
    name="lower",
    version=1,
    file="lower.py",
    script=_SCRIPT,
    own=("--model", "unused.cvimodel"),
    outputs=(),
    kept=(_LOWERED, "*_tpu_lowered_*_weight.npz", "*_qtable_weights.npz"),
)


def lower_network(
    artifact: Artifact, compiler: Compiler, cache_dir: Path, progress: Progress
) -> Path | None:
    """Return the file with the artifact's lowered network, its weights beside it; see `recompile`.

    Return None also where the compiler writes no such file.
    """
    folder = recompile(artifact, _LOWER, compiler, cache_dir, progress)
    return next(folder.glob(_LOWERED), None) if folder else None
