"""Install what npm has, once, into the cache: exactly the packages of a lock file.

npm checks every package against the hash in ``release/*/package-lock.json``. No package's install
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
class Release:
    """A set of pinned packages: ``main`` is the one that it is named after."""

    name: str
    title: str
    main: str
    megabytes: int

    @property
    def folder(self) -> Path:
        """Hold its two files."""
        return RELEASE / self.name

    @property
    def version(self) -> str:
        """Tell the pinned version of the main package, such as "4.1.0"."""
        document = json.loads((self.folder / "package.json").read_text(encoding="utf-8"))
        return str(document["dependencies"][self.main])


NODE_RED = Release("node-red", "Node-RED", "node-red", 99)
DASHBOARD = Release("dashboard", "the dashboard's nodes", "@flowfuse/node-red-dashboard", 134)
"""The nodes that a new camera's flows take from npm: @flowfuse/node-red-dashboard, of which 1.26.0
is on the camera and 1.27.0 the nearest that the registry still has, and node-red-contrib-os."""


@dataclass(frozen=True)
class Installation:
    """Installed packages; ``modules`` is their folder and that of all that they need."""

    modules: Path

    @property
    def dashboard_packages(self) -> tuple[Path, ...]:
        """Name the packages of nodes in an installation of ``DASHBOARD``."""
        return self.modules / DASHBOARD.main, self.modules / "node-red-contrib-os"

    @property
    def program(self) -> Path:
        """Name Node-RED's main file."""
        return self.modules / "node-red" / "red.js"


def find(cache: Path, release: Release = NODE_RED) -> Installation | None:
    """Look for an installation in the cache. Whatever is under its name is complete."""
    installation = Installation(_folder(cache, release) / "node_modules")
    return installation if (installation.modules / release.main).is_dir() else None


def _folder(cache: Path, release: Release) -> Path:
    contents = hashlib.sha256(b"".join((release.folder / name).read_bytes() for name in FILES))
    kind = "" if release is NODE_RED else f"{release.name}-"
    return cache / "node-red" / f"{kind}{release.version}-{contents.hexdigest()[:12]}"


async def ensure(cache: Path, node: NodeJs, say: Say, release: Release = NODE_RED) -> Installation:
    """Install what is not there yet. Raises SetupError when that fails."""
    if found := find(cache, release):
        return found
    target = _folder(cache, release)
    try:
        async with locked(target.parent, say):
            if found := find(cache, release):
                return found
            size = f"{release.megabytes} MB on disk, once"
            say(f"Installing {release.title} {release.version} ({size})")
            with building(target) as folder:
                await _install(folder, node, release)
    except OSError as error:
        raise SetupError(f"{release.title} could not be installed in {target}: {error}") from error
    return Installation(target / "node_modules")


async def _install(folder: Path, node: NodeJs, release: Release) -> None:
    for name in FILES:
        shutil.copyfile(release.folder / name, folder / name)
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
    if done.code != 0 or not (folder / "node_modules" / release.main).is_dir():
        raise SetupError(
            f"npm could not install {release.title} (exit {done.code}): {_why(done)}. "
            "It comes from the npm registry: check the network and npm's settings, then try again."
        )


def _why(done: Ended) -> str:
    """Find what npm says of the network, which stands between much else; or its last lines."""
    found = re.search(r"request to .+ failed, reason: .+", done.output)
    return found[0].rstrip(" .") if found else done.last_lines()
