"""Find a CPython 3.10: the only interpreter that loads tpu_mlir 1.7's extension modules.

Each candidate is run before it is accepted: a `python3.10` on PATH may be a pyenv shim that prints
`pyenv: python3.10: command not found` and exits 127.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .. import folders, process
from ..documents import parse_json
from ..errors import ProcessError, ToolchainError
from ..folders import NoHomeError, expanded
from ..progress import Progress, Step
from ..redaction import redact

Run = Callable[..., process.Completed]

OVERRIDE = "RECAM_PYTHON310"
_VERSION = "3.10"
_PROBE_SECONDS = 20.0
_INSTALL_SECONDS = 600.0

# Run by a candidate, without `site`, so that no installed package can interfere.
_PROBE = """
import json, os, platform, sys
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
except (ValueError, OSError):
    libc = ""
print(json.dumps({
    "executable": sys.executable,
    "implementation": platform.python_implementation(),
    "version": platform.python_version(),
    "machine": platform.machine(),
    "system": platform.system(),
    "bits": sys.maxsize.bit_length() + 1,
    "libc": libc,
}))
"""


class UvRunner(Protocol):
    """The part of `uv.Uv` that this module needs."""

    def run(
        self, arguments: Sequence[str | Path], *, timeout: float, step: Step | None = None
    ) -> process.Completed:
        """Run uv to its end, whatever its exit code."""


@dataclass(frozen=True)
class Interpreter:
    """A CPython 3.10 that runs here: its real path and full version, for instance "3.10.13"."""

    path: Path
    version: str


def candidates(environ: Mapping[str, str], home: Path | None = None) -> Iterator[Path]:
    """List the existing files that may be a python3.10, the best first, each once.

    `home` is the user's own by default, where there is one.
    """
    seen: set[Path] = set()
    for path in _places(environ, home):
        if path not in seen and path.is_file():
            seen.add(path)
            yield path


def _places(environ: Mapping[str, str], home: Path | None) -> Iterator[Path]:
    for folder in environ.get("PATH", "").split(os.pathsep):
        if folder:
            yield Path(folder) / "python3.10"
    pyenvs = [Path(root) / "versions" for root in (environ.get("PYENV_ROOT"),) if root]
    with contextlib.suppress(NoHomeError):
        pyenvs.append((home or folders.home()) / ".pyenv" / "versions")
    # Beside recam's own interpreter: with pyenv, its other versions.
    for place in (*pyenvs, Path(sys.base_prefix).parent):
        # Newest patch release first; a pre-release such as 3.10-dev sorts last.
        versions = sorted(place.glob("3.10*"), key=_patch, reverse=True)
        yield from (version / "bin" / "python3.10" for version in versions)
    for system in ("/usr/local/bin", "/usr/bin"):
        yield Path(system) / "python3.10"


def _patch(folder: Path) -> int:
    patch = folder.name.removeprefix("3.10.")
    return int(patch) if patch.isdigit() else -1


def probe(path: Path, run: Run = process.run) -> Interpreter | None:
    """Run the interpreter at `path`; return it if it is a CPython 3.10 for Linux x86-64 on glibc.

    Return None otherwise.
    """
    try:
        done = run([path, "-I", "-S", "-c", _PROBE], timeout=_PROBE_SECONDS)
    except ProcessError:
        return None
    try:
        facts = parse_json(done.stdout) if done.returncode == 0 else None
    except ValueError:
        return None
    if not isinstance(facts, dict):
        return None
    wanted = {
        "implementation": "CPython",
        "system": "Linux",
        "machine": "x86_64",
        "bits": 64,
    }
    fits = all(facts.get(key) == value for key, value in wanted.items())
    version = str(facts.get("version", ""))
    if not fits or not version.startswith(f"{_VERSION}.") or not facts.get("libc"):
        return None
    return Interpreter(Path(str(facts.get("executable") or path)), version)


def find_python310(
    uv: UvRunner,
    progress: Progress,
    *,
    environ: Mapping[str, str],
    home: Path | None = None,
    run: Run = process.run,
) -> Interpreter:
    """Find a usable CPython 3.10.

    The order is: the one that RECAM_PYTHON310 names, one on this machine, one that uv manages, one
    that uv downloads. Raises ToolchainError when RECAM_PYTHON310 names something else, or there is
    none.
    """
    chosen = environ.get(OVERRIDE)
    if chosen:
        interpreter = probe(expanded(Path(chosen)), run)
        if interpreter is None:
            raise ToolchainError(
                f"{OVERRIDE} names {chosen}, which is not a CPython 3.10 that runs here",
                f"Set {OVERRIDE} to a CPython 3.10 for Linux x86-64, or unset it.",
            )
        return interpreter
    for path in candidates(environ, home):
        if interpreter := probe(path, run):
            return interpreter
    return _managed(uv, run) or _fetched(uv, progress, run)


def _managed(uv: UvRunner, run: Run) -> Interpreter | None:
    done = uv.run(
        ["python", "find", "--no-project", "--managed-python", "--no-python-downloads", _VERSION],
        timeout=_PROBE_SECONDS,
    )
    if done.returncode != 0 or not done.stdout.strip():
        return None
    return probe(Path(done.stdout.strip().splitlines()[-1]), run)


def _fetched(uv: UvRunner, progress: Progress, run: Run) -> Interpreter:
    with progress.step("Fetching CPython 3.10") as step:
        try:
            done = uv.run(
                ["python", "install", "--no-bin", _VERSION], timeout=_INSTALL_SECONDS, step=step
            )
            reason = done.tail(1).strip() if done.returncode != 0 else ""
        except ProcessError as error:
            reason = error.message
    if not reason:
        interpreter = _managed(uv, run)
        if interpreter:
            return interpreter
        reason = "the one that it installed does not run here"
    raise ToolchainError(
        "the compiler needs CPython 3.10: this machine has none, and uv could not download it "
        f"({redact(reason)})",
        "Install one and run this again: `apt install python3.10` (Ubuntu 22.04, or newer with the "
        "deadsnakes PPA), `pyenv install 3.10`, or `conda create -n py310 python=3.10`. If it is "
        f"not on PATH, set {OVERRIDE} to it. Or let uv reach one: it downloads from "
        "releases.astral.sh or github.com, by HTTPS_PROXY; UV_PYTHON_INSTALL_MIRROR names a mirror "
        "(or a folder, file://…), and UV_SYSTEM_CERTS=1 trusts the system's certificates. Or run "
        "the compiler in Docker: `--toolchain docker`.",
    )
