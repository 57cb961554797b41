"""Node-RED from npm, installed once into the cache: exactly the packages of the lock file.

npm checks every package against the hash in ``release/package-lock.json``. No package's install
script is run, and none is needed without the optional packages.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..layout import SetupError
from .nodejs import RELEASE, NodeJs, Say
from .programs import Ended, run
from .store import building, locked

FILES = ("package.json", "package-lock.json")


@dataclass(frozen=True)
class Installation:
    """An installed Node-RED; ``modules`` is the folder of it and of all that it needs."""

    modules: Path

    @property
    def program(self) -> Path:
        return self.modules / "node-red" / "red.js"


def version() -> str:
    """The pinned version of Node-RED, such as "4.0.9"."""
    document = json.loads((RELEASE / "package.json").read_text(encoding="utf-8"))
    return str(document["dependencies"]["node-red"])


def find(cache: Path) -> Installation | None:
    """The installation in the cache. Whatever is under its name is complete."""
    installation = Installation(_folder(cache) / "node_modules")
    return installation if installation.program.is_file() else None


def _folder(cache: Path) -> Path:
    contents = hashlib.sha256(b"".join((RELEASE / name).read_bytes() for name in FILES))
    return cache / "node-red" / f"{version()}-{contents.hexdigest()[:12]}"


async def ensure(cache: Path, node: NodeJs, say: Say) -> Installation:
    """Node-RED, installed first when it is not there. Raises SetupError when that fails."""
    if found := find(cache):
        return found
    target = _folder(cache)
    try:
        async with locked(target.parent, say):
            if found := find(cache):
                return found
            say(f"Installing Node-RED {version()} (95 MB on disk, once)")
            with building(target) as folder:
                await _install(folder, node)
    except OSError as error:
        raise SetupError(f"Node-RED could not be installed in {target}: {error}") from error
    return Installation(target / "node_modules")


async def _install(folder: Path, node: NodeJs) -> None:
    for name in FILES:
        shutil.copyfile(RELEASE / name, folder / name)
    path = os.pathsep.join([str(node.program.parent), os.environ.get("PATH", "")])
    done = await run(
        [
            *(*node.npm, "ci", "--omit=dev", "--omit=optional", "--ignore-scripts"),
            *("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"),
            # It would wait for more than a minute where there is no network at all.
            *("--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"),
        ],
        cwd=folder,
        env={**os.environ, "PATH": path},
    )
    if done.code != 0 or not Installation(folder / "node_modules").program.is_file():
        raise SetupError(
            f"npm could not install Node-RED (exit {done.code}): {_why(done)}. "
            "It comes from the npm registry: check the network and npm's settings, then try again."
        )


def _why(done: Ended) -> str:
    """What npm says of the network, which stands between much else; or its last lines."""
    found = re.search(r"request to .+ failed, reason: .+", done.output)
    return found[0].rstrip(" .") if found else done.last_lines()
