"""The network of an artifact compiled again, so that the result of every layer can be read.

The compiler keeps groups of layers inside the TPU and lets the rest write over each other: of a
finished cvimodel hardly more than the outputs can be looked at. Compiled without groups, and with
memory of its own for each tensor, the same network gives the same outputs bit for bit (measured
on tpu_mlir 1.7) and all that lies between.
"""

from __future__ import annotations

import itertools
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
# model_deploy has no option for it, so the one command line that it makes is changed.
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
# What makes the network what it is, and not what checks it.
_FLAGS = frozenset({"--quant_input", "--fuse_preprocess", "--aligned_input", "--op_divide"})
_OPTIONS = frozenset(
    {"--mlir", "--quantize", "--calibration_table", "--quantize_table", "--chip"}
    | {"--customization_format"}
)
# The compiler pastes its arguments into a shell's command line, and a manifest may hold anything.
_HARMLESS = re.compile(r"[A-Za-z0-9_.,+-]+\Z")


@dataclass(frozen=True)
class Apart:
    """The cvimodel whose tensors can all be read, and the table of the layers kept in BF16, empty
    where there is none."""

    cvimodel: Path
    quantize_table: str


@dataclass(frozen=True)
class _Deploy(ToolCommand):
    """`model_deploy`, run by the script above."""

    def words(self, compiler: Compiler) -> tuple[str, ...]:
        python, tool, *arguments = super().words(compiler)
        return (python, _SCRIPT_FILE, tool, *arguments)


def compile_apart(
    artifact: Artifact, compiler: Compiler, cache_dir: Path, progress: Progress
) -> Apart | None:
    """Compile the artifact's network apart, from what its conversion left in the cache.

    None when the manifest does not name it, or it is no longer there. Whoever uses the result must
    see that its outputs are the artifact's: a manifest can name the wrong steps.

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
    return Apart(
        done.folder / CVIMODEL_FILE,
        table.read_text(encoding="utf-8") if table.is_file() else "",
    )


def _keys(steps: Any) -> dict[str, str]:
    """The keys of the steps that a cvimodel is made of, from a manifest."""
    found = {}
    for step in steps if isinstance(steps, list) else []:
        if isinstance(step, dict) and step.get("name") in _FROM:
            key = step.get("key")
            if isinstance(key, str) and _KEY.match(key):
                found[str(step["name"])] = key
    return found


def _arguments(commands: Any) -> tuple[str, ...]:
    """The arguments of `model_deploy` in a manifest, as they are to be used here; none where there
    is no such command, or one that is not harmless."""
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
    kept = []
    for word, value in itertools.zip_longest(words, words[1:], fillvalue=""):
        if word in _FLAGS:
            kept.append(word)
        elif word in _OPTIONS:
            kept += [word, value]
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
