"""Starting and stopping the virtual camera, which is a program of its own.

All that is known of it here is its command line and the `state.json` that it writes when it is
ready: it is never imported, and nothing else in the package knows that it exists.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from . import process
from .errors import VirtualCameraError
from .ports import Port, knock
from .progress import Progress
from .resources import resource

_EXTRA = ("asyncssh", "aiohttp", "aiomqtt", "amqtt")  # what `recam-deploy[virtual]` brings
_READY_SECONDS = 120.0  # Node-RED takes 2 s on an idle machine, and a busy one is not broken
_INSTALL_SECONDS = 1800.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.05
_KNOCK_SECONDS = 2.0


@dataclass(frozen=True)
class VirtualCamera:
    """A running virtual camera. `settings` is the recam.toml that points at it; `started` tells
    its process from another one that gets the same `pid` later.

    `node_red_url` is None where it was started without a Node-RED, or that did not start: then
    `node_red_problem` says why. One that started may have ended since: see `node_red_runs`.
    """

    folder: Path
    pid: int
    host: str
    ssh_port: int
    http_url: str
    mqtt_port: int
    preview_ws: str
    node_red_url: str | None
    user: str
    settings: Path
    log: Path
    started: str
    node_red_problem: str | None = None

    @property
    def has_node_red(self) -> bool:
        """Whether it was started with a Node-RED, be that running or not."""
        return bool(self.node_red_url or self.node_red_problem)

    def as_json(self) -> dict[str, Any]:
        """As `virtual up --json` shows it."""
        return {
            "host": self.host,
            "ssh_port": self.ssh_port,
            "http_url": self.http_url,
            "mqtt_port": self.mqtt_port,
            "preview_ws": self.preview_ws,
            "node_red_url": self.node_red_url,
            "user": self.user,
            "settings": str(self.settings),
            "folder": str(self.folder),
            "pid": self.pid,
            "log": str(self.log),
        }


def running(folder: Path) -> VirtualCamera | None:
    """The virtual camera that runs in `folder`; None when there is none."""
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        camera = VirtualCamera(
            folder=folder,
            pid=int(state["pid"]),
            host=str(state["host"]),
            ssh_port=int(state["ssh_port"]),
            http_url=str(state["http_url"]),
            mqtt_port=int(state["mqtt_port"]),
            preview_ws=str(state["preview_ws"]),
            node_red_url=state["node_red_url"] and str(state["node_red_url"]),
            user=str(state["user"]),
            settings=Path(state["settings"]),
            log=Path(state["log"]),
            started=str(state["started"]),
            # One that an earlier release started knows of no such thing.
            node_red_problem=state.get("node_red_problem") and str(state["node_red_problem"]),
        )
        alive = not _is_gone(camera)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return camera if alive else None


def node_red_runs(camera: VirtualCamera) -> bool:
    """Whether its Node-RED can be reached now; it may end by itself while the camera goes on."""
    if camera.node_red_url is None:
        return False
    port = urlsplit(camera.node_red_url).port or 0
    return knock(camera.host, port, _KNOCK_SECONDS) is Port.open


@dataclass(frozen=True)
class NodeRedOptions:
    """The virtual camera's Node-RED, as `install_node_red` makes it: `cache` is where it is
    installed; `nodes` a clone of Seeed's own nodes, to be used instead of the stand-ins."""

    cache: Path
    nodes: Path | None = None


def start(
    folder: Path,
    simulator_libraries: tuple[Path, ...],
    progress: Progress,
    node_red: NodeRedOptions | None = None,
    pictures: Path | None = None,
    *,
    announce: bool = False,
) -> VirtualCamera:
    """Start a virtual camera in `folder` and wait until it can be reached.

    It has a Node-RED where `node_red` is given and that starts, and sees the `pictures` of a
    folder, by default those of the demo; with `announce`, mDNS finds it on the loopback. Raises
    VirtualCameraError when it cannot start, or its extra is not installed.
    """
    _check_extra()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    factory = resource("device/virtual/factory")
    command = [
        *(sys.executable, "-m", "virtual", "serve"),
        *("--dir", str(folder)),
        *("--tpu-libraries", os.pathsep.join(str(path) for path in simulator_libraries)),
        *("--factory-model", str(factory / "model.cvimodel")),
        *("--factory-info", str(factory / "model.json")),
    ]
    if node_red:
        command += ["--node-red-cache", str(node_red.cache)]
        command += ["--nodes", str(node_red.nodes.absolute())] if node_red.nodes else []
    if pictures:
        command += ["--pictures", str(pictures.absolute())]
    command += ["--announce"] if announce else []
    log = folder / "start.log"
    log.unlink(missing_ok=True)
    with progress.step("Starting the virtual camera"):
        pid = process.start_detached(command, cwd=resource("device"), env=os.environ, log=log)
        try:
            return _ready(folder, pid, log)
        except BaseException:
            process.end_group(pid)
            raise


def install_node_red(cache: Path, progress: Progress, nodes: Path | None = None) -> NodeRedOptions:
    """Install Node-RED, if it is not there yet, before the camera's start: it may take a while.

    Raises VirtualCameraError when it is not to be had, or the virtual camera's extra is not there.
    """
    _check_extra()
    command = [sys.executable, "-m", "virtual.nodered", "install", "--cache-dir", str(cache)]
    with progress.step("Preparing Node-RED") as step:
        done = process.run(
            command,
            cwd=resource("device"),
            on_line=lambda line: step.update(note=line),
            timeout=_INSTALL_SECONDS,
        )
    if done.returncode != 0:
        why = done.tail(1).removeprefix("virtual.nodered: ")
        raise VirtualCameraError(
            f"the virtual camera's Node-RED cannot be installed: {why}",
            "Mend that and try again, or go without it: --no-node-red.",
        )
    return NodeRedOptions(cache, nodes)


def _check_extra() -> None:
    if any(importlib.util.find_spec(name) is None for name in _EXTRA):
        raise VirtualCameraError(
            "the virtual camera is not installed", "Run: pip install 'recam-deploy[virtual]'"
        )


def _ready(folder: Path, pid: int, log: Path) -> VirtualCamera:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        camera = running(folder)
        if camera and camera.pid == pid:
            return camera
        if process.has_ended(pid):
            said = log.read_text(encoding="utf-8", errors="backslashreplace").strip()
            last = said.splitlines()[-1] if said else "it said nothing"
            raise VirtualCameraError(
                f"the virtual camera did not start: {last}", f"Its whole output is in {log}."
            )
        time.sleep(_POLL_SECONDS)
    raise VirtualCameraError(
        f"the virtual camera was not ready after {_READY_SECONDS:.0f} s", f"See {log}."
    )


def stop(folder: Path) -> bool:
    """Stop the virtual camera in `folder`; False when none was running.

    Its process is gone then, and the folder free for the next. Raises VirtualCameraError when it
    does not end.
    """
    camera = running(folder)
    if camera is None:
        return False
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(camera.pid, sign)
        if _wait(lambda: process.has_ended(camera.pid) and _is_gone(camera)):
            return True
    raise VirtualCameraError(
        f"the virtual camera (process {camera.pid}) does not end", "End that process by hand."
    )


def _is_gone(camera: VirtualCamera) -> bool:
    try:
        return _start_of(camera.pid) != camera.started
    except OSError:
        return True


def _wait(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _start_of(pid: int) -> str:
    """Boot and kernel tick at which a live process started: a pid used again is told apart."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    state, *fields = stat.rpartition(")")[2].split()
    if state == "Z":
        raise ProcessLookupError(pid)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return f"{boot}/{fields[18]}"
