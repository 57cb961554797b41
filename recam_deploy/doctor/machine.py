"""Check whether the compiler can run on this machine, and has enough disk space."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import process
from ..errors import ProcessError
from ..folders import expanded
from ..toolchain import HostFacts, Run, find, host_facts
from ..toolchain.host import obstacle
from ..toolchain.python310 import OVERRIDE, candidates, probe
from .check import Check, fail, ok, warn

_DOCKER_SECONDS = 10.0
# What the compiler takes on disk while it is installed, and what a conversion leaves behind.
_INSTALL_BYTES, _WORK_BYTES = 2_500_000_000, 500_000_000


@dataclass(frozen=True)
class MachineFacts:
    """Facts about this machine.

    `python310`, `compiler` and `docker` are versions, None where missing. `free` is in bytes, on
    the file system of the cache folder. `wanted` is the setting `toolchain`.
    """

    host: HostFacts
    python310: str | None
    compiler: str | None
    docker: str | None
    cache_dir: Path
    writable: bool
    free: int
    wanted: str = "local"


def look(
    cache_dir: Path,
    wanted: str,
    environ: Mapping[str, str] | None = None,
    run: Run = process.run,
) -> MachineFacts:
    """Gather the facts; `wanted` is the setting `toolchain`."""
    environ = os.environ if environ is None else environ
    compiler = find(cache_dir, run)
    # Path.exists() raises when the user may not search a parent folder.
    near = next(path for path in (cache_dir, *cache_dir.parents) if os.access(path, os.F_OK))
    return MachineFacts(
        host=host_facts(),
        python310=_python310(environ, run),
        compiler=compiler.version if compiler else None,
        docker=_docker(environ, run),
        cache_dir=cache_dir,
        writable=near.is_dir() and os.access(near, os.W_OK | os.X_OK),
        free=shutil.disk_usage(near).free,
        wanted=wanted,
    )


def _python310(environ: Mapping[str, str], run: Run) -> str | None:
    named = environ.get(OVERRIDE)
    places = [expanded(Path(named))] if named else candidates(environ)
    return next((found.version for path in places if (found := probe(path, run))), None)


def _docker(environ: Mapping[str, str], run: Run) -> str | None:
    if shutil.which("docker", path=environ.get("PATH")) is None:
        return None
    words = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        done = run(words, timeout=_DOCKER_SECONDS)
    except ProcessError:
        return None
    return done.stdout.strip()[:40] if done.returncode == 0 else None


def judge(facts: MachineFacts) -> list[Check]:
    """Judge this machine."""
    return [_system(facts), _python(facts), _compiler(facts), _docker_check(facts), _disk(facts)]


def _system(facts: MachineFacts) -> Check:
    reason = obstacle(facts.host)
    glibc = ".".join(map(str, facts.host.glibc)) if facts.host.glibc else "none"
    seen = f"{facts.host.system} {facts.host.machine}, glibc {glibc}"
    if reason is None:
        return ok("machine.system", seen)
    if facts.wanted == "docker":
        return ok("machine.system", f"{seen}; the compiler runs in Docker")
    return fail(
        "machine.system",
        f"{seen}: {reason}",
        'Convert on Linux x86-64, or in Docker (toolchain = "docker" in recam.toml).',
    )


def _python(facts: MachineFacts) -> Check:
    if facts.python310 is not None:
        return ok("machine.python310", f"CPython {facts.python310} for the compiler")
    if facts.compiler is not None or facts.wanted == "docker":
        return ok("machine.python310", "no CPython 3.10 on this machine, and none is needed")
    return warn(
        "machine.python310",
        "no CPython 3.10, which the compiler needs",
        f"Run `recam toolchain install`, which downloads one; or name one in {OVERRIDE}.",
    )


def _compiler(facts: MachineFacts) -> Check:
    if facts.compiler is not None:
        return ok("machine.toolchain", f"tpu_mlir {facts.compiler} is installed")
    if facts.wanted == "docker":
        return ok("machine.toolchain", "the compiler runs in Docker")
    return warn(
        "machine.toolchain",
        "the compiler is not installed",
        "Run `recam toolchain install`; otherwise the first conversion installs it.",
    )


def _docker_check(facts: MachineFacts) -> Check:
    if facts.docker is not None:
        return ok("machine.docker", f"Docker engine {facts.docker}")
    if facts.wanted != "docker":
        return ok("machine.docker", "no Docker engine answers, and none is needed")
    return fail(
        "machine.docker",
        "no Docker engine answers, and the settings need one",
        "Install and start Docker, and let this user use it; or set toolchain to local.",
    )


def _disk(facts: MachineFacts) -> Check:
    needed = _WORK_BYTES if facts.compiler or facts.wanted == "docker" else _INSTALL_BYTES
    seen = f"{facts.free / 1e9:.1f} GB are free for {facts.cache_dir}"
    if not facts.writable:
        return fail(
            "machine.disk",
            f"{facts.cache_dir} is no folder that can be written to",
            "Correct its permissions, or name another folder in RECAM_CACHE_DIR.",
        )
    if facts.free < needed:
        return fail(
            "machine.disk",
            f"{seen}, and {needed / 1e9:.1f} GB are needed",
            "Free some (`recam cache clean`), or name a folder on another disk in RECAM_CACHE_DIR.",
        )
    return ok("machine.disk", seen)
