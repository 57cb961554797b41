"""Compile an artifact's network again, so that the result of every layer can be read.

The compiler keeps the results of grouped layers inside the TPU and reuses the memory of the others,
so hardly more than the outputs of a finished cvimodel can be read. Compiled without groups, and
with separate memory for each tensor, the same network gives the same outputs bit for bit (measured
on tpu_mlir 1.7), and all tensors in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..artifact import Artifact
from ..progress import Progress
from ..toolchain import Compiler
from .commands import CVIMODEL_FILE, QUANTIZE_TABLE_FILE
from .recompile import Variant, recompile

# model_deploy has no option for separate memory, so the command line that it runs is changed. The
# script enters the step's key: a change of it, even of a name, compiles every network again.
_SCRIPT = """\
import runpy
import sys

from utils import mlir_shell

run = mlir_shell._os_system


def apart(words, *rest, **more):
    own = '--address-assign="reuse_addr=false"'
    run([own if word.startswith("--address-assign") else word for word in words], *rest, **more)


mlir_shell._os_system = apart
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
_APART = Variant(
    name="apart",
    version=1,
    file="apart.py",
    script=_SCRIPT,
    own=("--disable_layer_group", "--model", CVIMODEL_FILE),
    outputs=(CVIMODEL_FILE,),
    kept=(CVIMODEL_FILE, QUANTIZE_TABLE_FILE),
)


@dataclass(frozen=True)
class LayerDump:
    """A cvimodel whose tensors can all be read.

    `quantize_table` is the text of the table of the layers in BF16, empty where there is none.
    """

    cvimodel: Path
    quantize_table: str


def compile_layer_dump(
    artifact: Artifact, compiler: Compiler, cache_dir: Path, progress: Progress
) -> LayerDump | None:
    """Compile the artifact's network with separate tensors; see `recompile`."""
    folder = recompile(artifact, _APART, compiler, cache_dir, progress)
    if folder is None:
        return None
    table = folder / QUANTIZE_TABLE_FILE
    return LayerDump(
        folder / CVIMODEL_FILE, table.read_text(encoding="utf-8") if table.is_file() else ""
    )
