"""Build a compiler's environment with uv, in a folder that the caller publishes."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path

from .. import process
from ..progress import Progress
from .elf import clear_executable_stack
from .failures import start_failure
from .local import (
    BUNDLED_LIBRARIES,
    MANIFEST,
    STAND_INS,
    TPU_MLIR_VERSION,
    Toolchain,
    lock_digest,
    lock_path,
)
from .python310 import Interpreter, Run
from .uv import Uv, install_error

_START_SECONDS = 120.0
_INSTALL_SECONDS = 3600.0

START_CHECK = """
import os
import calibration.kld_calibrator, calibration.mix_precision, tools.model_runner, utils.cache_tool
import onnxruntime, pyruntime_cvi, transform.OnnxConverter
os.execvp("tpuc-opt", ["tpuc-opt", "--version"])
"""


def build(
    folder: Path,
    interpreter: Interpreter,
    uv: Uv,
    progress: Progress,
    run: Run = process.run,
) -> None:
    """Build an environment in the empty `folder`, its manifest last.

    Raises ToolchainError when a package cannot be installed, or the compiler does not start.
    """
    toolchain = Toolchain.at(folder)
    venv: list[str | Path] = ["venv", "--no-project", "--python", interpreter.path, folder / "env"]
    install: list[str | Path] = [
        "pip",
        "install",
        "--python",
        toolchain.python,
        "--requirements",
        lock_path(),
    ]
    exactly = ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    with progress.step(f"Installing the compiler tpu_mlir {TPU_MLIR_VERSION}", "MiB") as step:
        for arguments in (venv, [*install, *exactly]):
            done = uv.run(arguments, timeout=_INSTALL_SECONDS, step=step)
            if done.returncode != 0:
                raise install_error(done)
        step.update(note="checking that it starts")
        trim_libraries(toolchain)
        for library in toolchain.package.parent.rglob("*.so*"):
            clear_executable_stack(library)
        write_stand_ins(folder)
        _check_start(toolchain, uv.environ, run)
        manifest = {
            "tpu_mlir": TPU_MLIR_VERSION,
            "lock": lock_digest(),
            "python": interpreter.version,
            "interpreter": str(interpreter.path),
            "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def trim_libraries(toolchain: Toolchain) -> None:
    """Remove the bundled libraries that must not be loaded; see BUNDLED_LIBRARIES.

    Removes the environment's links only: the files in uv's cache stay.
    """
    for library in (toolchain.package / "lib" / "third_party").iterdir():
        if library.name not in BUNDLED_LIBRARIES:
            library.unlink()


def write_stand_ins(folder: Path) -> None:
    """Write the programs and modules that replace unneeded ones; see STAND_INS."""
    for name, text in STAND_INS.items():
        path = folder / "stand-ins" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755 if name.startswith("bin/") else 0o644)


def _check_start(toolchain: Toolchain, environ: Mapping[str, str], run: Run) -> None:
    """Import what the tools import and start `tpuc-opt`, to fail here and not in a conversion.

    Raises ToolchainError when that fails.
    """
    done = run(
        [toolchain.python, "-c", START_CHECK],
        env=toolchain.environment(environ),
        timeout=_START_SECONDS,
    )
    if done.returncode != 0:
        raise start_failure(done.output, done.tail(1))
