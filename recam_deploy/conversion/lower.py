"""Lower a network to the operators of the chip that `emulation` computes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..artifact import Artifact
from ..errors import SimulatorError
from ..progress import Progress
from ..toolchain import Compiler
from .recompile import Variant, network_arguments, recompile, run_variant

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


def lower_here(
    folder: Path, arguments: Sequence[str], compiler: Compiler, log: Path, progress: Progress
) -> Path:
    """Lower the network in `folder`, which holds the inputs of `model_deploy`, not yet compiled.

    `arguments` are those of the conversion's `model_deploy`. Raises CompilationError, and
    SimulatorError where the compiler writes no lowered network.
    """
    run_variant(_LOWER, network_arguments(arguments), folder, compiler, log, progress)
    found = next(folder.glob(_LOWERED), None)
    if found is None:
        raise SimulatorError("the compiler wrote no lowered network", "See its log.")
    return found
