"""Run `model_deploy` again on the cached steps of a finished conversion, for other results.

A manifest may hold anything, so only what is harmless is taken from it.
"""

from __future__ import annotations

import re
import shlex
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..artifact import Artifact
from ..progress import Progress
from ..step_cache import StepCache, step_key
from ..toolchain import Compiler, ToolCommand, run_tool
from .work_folder import copy_files, write

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
class Variant:
    """Another way to run `model_deploy`.

    `name` is its step's in the cache. `script` is a Python program that runs the tool named by its
    first argument, kept as `file`; `own` are words for the tool besides the conversion's, `outputs`
    what it must write, and `kept` patterns of the files to keep.
    """

    name: str
    version: int
    file: str
    script: str
    own: tuple[str, ...]
    outputs: tuple[str, ...]
    kept: tuple[str, ...]


@dataclass(frozen=True)
class _Deploy(ToolCommand):
    """`model_deploy`, run by the script `file`."""

    file: str = ""

    def words(self, compiler: Compiler) -> tuple[str, ...]:
        python, tool, *arguments = super().words(compiler)
        return (python, self.file, tool, *arguments)


def recompile(
    artifact: Artifact, variant: Variant, compiler: Compiler, cache_dir: Path, progress: Progress
) -> Path | None:
    """Return the folder with the variant's files, made from the cached steps of the artifact.

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

        def build(folder: Path) -> None:
            for source in sources:
                copy_files(source, folder)
            log = _log(cache_dir, keys["compile"], variant.name)
            run_variant(variant, arguments, folder, compiler, log, progress)

        inputs = {"from": keys, "arguments": (*arguments, *variant.own), "script": variant.script}
        done = cache.run(variant.name, step_key(variant.name, variant.version, inputs), build)
    return done.folder


def run_variant(
    variant: Variant,
    arguments: tuple[str, ...],
    folder: Path,
    compiler: Compiler,
    log: Path,
    progress: Progress,
) -> None:
    """Run `model_deploy` in `folder`, which holds its inputs; leave the files to keep alone there.

    `arguments` are those that `network_arguments` returns. Raises CompilationError.
    """
    outputs = tuple(map(Path, variant.outputs))
    command = _Deploy("model_deploy", (*arguments, *variant.own), outputs, file=variant.file)
    write(folder / variant.file, variant.script)
    run_tool(compiler, command, folder, log, progress)
    _remove_all_but(folder, variant.kept)


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
    """Read from a manifest the arguments of `model_deploy`.

    Return none where there is no such command, or where an argument is unknown or not a plain word.
    """
    for command in commands if isinstance(commands, list) else []:
        try:
            words = shlex.split(str(command))
        except ValueError:
            continue
        if words and words[0] == "model_deploy.py":
            kept = network_arguments(words[1:])
            return kept if all(map(_HARMLESS.match, kept)) else ()
    return ()


def network_arguments(words: Sequence[str]) -> tuple[str, ...]:
    """Return the arguments of `model_deploy` that change the network.

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
            return ()
    return tuple(kept)


def _log(cache_dir: Path, key: str, name: str) -> Path:
    folder = cache_dir / "logs" / f"{time.strftime('%Y%m%d-%H%M%S')}-{key[-8:]}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.log"


def _remove_all_but(folder: Path, kept: Sequence[str]) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif not any(path.match(pattern) for pattern in kept):
            path.unlink()
