"""Compile an artifact's network again, so that the result of every layer can be read.

The compiler keeps the results of grouped layers inside the TPU and reuses the memory of the others,
so hardly more than the outputs of a finished cvimodel can be read. Compiled without groups, and
with separate memory for each tensor, the same network gives the same outputs bit for bit (measured
on tpu_mlir 1.7), and all tensors in between.
"""

from __future__ import annotations

import re
import shlex
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..artifact import Artifact
from ..progress import Progress
from ..step_cache import StepCache, step_key
from ..toolchain import Compiler, ToolCommand, run_tool
from .commands import CVIMODEL_FILE, QUANTIZE_TABLE_FILE
from .work_folder import copy_files, write

_VERSION = 1
_SCRIPT_FILE = "apart.py"
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
_FROM = ("transform", "compile")
_KEY = re.compile(r"[a-z]+-[0-9a-f]{24}\Z")
# What changes the network.
_FLAGS = frozenset(
    {"--quant_input", "--quant_output", "--fuse_preprocess", "--aligned_input", "--op_divide"}
)
_OPTIONS = frozenset(
    {"--mlir", "--quantize", "--calibration_table", "--quantize_table", "--chip"}
    | {"--customization_format"}
)
# What is left out: the compiler's own checks, and the file's name.
_LEFT_OUT_FLAGS = frozenset({"--compare_all", "--skip_validation"})
_LEFT_OUT_OPTIONS = frozenset(
    {"--test_input", "--test_reference", "--tolerance", "--excepts", "--model"}
)
# The compiler puts its arguments into a shell's command line unquoted, and a manifest may hold
# anything.
_HARMLESS = re.compile(r"[A-Za-z0-9_.,+-]+\Z")


@dataclass(frozen=True)
class LayerDump:
    """A cvimodel whose tensors can all be read.

    `quantize_table` is the text of the table of the layers in BF16, empty where there is none.
    """

    cvimodel: Path
    quantize_table: str


@dataclass(frozen=True)
class _Deploy(ToolCommand):
    """`model_deploy`, run by `_SCRIPT`."""

    def words(self, compiler: Compiler) -> tuple[str, ...]:
        python, tool, *arguments = super().words(compiler)
        return (python, _SCRIPT_FILE, tool, *arguments)


def compile_layer_dump(
    artifact: Artifact, compiler: Compiler, cache_dir: Path, progress: Progress
) -> LayerDump | None:
    """Compile the artifact's network with separate tensors, from the cached steps that made it.

    Return None when the manifest does not name these steps, they are no longer in the cache, or the
    command has unknown options. The caller must check that the outputs are the artifact's: a
    manifest can name the wrong steps.

    Raises CompilationError when the compiler fails.
    """
    cache = StepCache(cache_dir / "steps")
    keys = _keys(artifact.provenance.get("steps"))
    arguments = _arguments(artifact.provenance.get("commands"))
    if len(keys) < len(_FROM) or not arguments:
        return None
    with cache.in_use():
        found = [cache.find(keys[name]) for name in _FROM]
        sources = [folder for folder in found if folder]
        if len(sources) < len(found):
            return None
        command = _Deploy("model_deploy", arguments, (Path(CVIMODEL_FILE),))

        def build(folder: Path) -> None:
            for source in sources:
                copy_files(source, folder)
            write(folder / _SCRIPT_FILE, _SCRIPT)
            run_tool(compiler, command, folder, _log(cache_dir, keys["compile"]), progress)
            _remove_all_but(folder, {CVIMODEL_FILE, QUANTIZE_TABLE_FILE})

        inputs = {"from": keys, "arguments": arguments, "script": _SCRIPT}
        done = cache.run("apart", step_key("apart", _VERSION, inputs), build)
    table = done.folder / QUANTIZE_TABLE_FILE
    return LayerDump(
        done.folder / CVIMODEL_FILE,
        table.read_text(encoding="utf-8") if table.is_file() else "",
    )


def _keys(steps: Any) -> dict[str, str]:
    """Read from a manifest the cache keys of the steps in `_FROM`."""
    found = {}
    for step in steps if isinstance(steps, list) else []:
        if isinstance(step, dict) and step.get("name") in _FROM:
            key = step.get("key")
            if isinstance(key, str) and _KEY.match(key):
                found[str(step["name"])] = key
    return found


def _arguments(commands: Any) -> tuple[str, ...]:
    """Read from a manifest the arguments of `model_deploy`, and change them for separate tensors.

    Return none where there is no such command, or where an argument is unknown or not a plain word.
    """
    for command in commands if isinstance(commands, list) else []:
        try:
            words = shlex.split(str(command))
        except ValueError:
            continue
        if words and words[0] == "model_deploy.py":
            kept = _kept(words[1:])
            harmless = all(map(_HARMLESS.match, kept))
            own = ("--disable_layer_group", "--model", CVIMODEL_FILE)
            return (*kept, *own) if kept and harmless else ()
    return ()


def _kept(words: list[str]) -> list[str]:
    """Return the words that change the network.

    Return none where one is unknown: without it, the compiler might make another network.
    """
    kept = []
    rest = iter(words)
    for word in rest:
        if word in _FLAGS:
            kept.append(word)
        elif word in _OPTIONS:
            kept += [word, next(rest, "")]
        elif word in _LEFT_OUT_OPTIONS:
            next(rest, "")
        elif word not in _LEFT_OUT_FLAGS:
            return []
    return kept


def _log(cache_dir: Path, key: str) -> Path:
    folder = cache_dir / "logs" / f"{time.strftime('%Y%m%d-%H%M%S')}-{key[-8:]}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "apart.log"


def _remove_all_but(folder: Path, kept: set[str]) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in kept:
            path.unlink()
