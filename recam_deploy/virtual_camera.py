"""Start and stop the virtual camera, which is a program of its own.

It is never imported. The interface is its command line, and the `state.json` that it writes when
it is ready.
"""

from __future__ import annotations

import contextlib
import importlib.util
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
from .documents import parse_json
from .errors import VirtualCameraError
from .extras import install_extra
from .ports import Port, probe_port
from .progress import Progress
from .resources import resource

_EXTRA = ("asyncssh", "aiohttp", "aiomqtt", "amqtt", "lap")  # of `recam-deploy[virtual]`
FIRMWARES = ("0.2.4", "next")
"""Those that it can play, the default first; `next` comes after the newest release."""

_READY_SECONDS = 120.0  # Node-RED takes 2 s on an idle machine, and far longer on a busy one
_INSTALL_SECONDS = 1800.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.05
_PROBE_SECONDS = 2.0
_BROWSER_READS = (0, 3)


@dataclass(frozen=True)
class VirtualCamera:
    """A running virtual camera.

    `settings` is a recam.toml with its address. `started` identifies the process, in case a later
    one gets the same `pid`.

    `node_red_url` is None where the camera was started without a Node-RED, or where that did not
    start; `node_red_problem` then says why. It may have ended since: see `node_red_runs`.
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
    firmware: str = FIRMWARES[0]

    @property
    def has_node_red(self) -> bool:
        """Say whether the camera was started with a Node-RED, which may have ended."""
        return bool(self.node_red_url or self.node_red_problem)

    def as_json(self) -> dict[str, Any]:
        """Return the document of `virtual up --json`."""
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
            "firmware": self.firmware,
            "pid": self.pid,
            "log": str(self.log),
        }


def running(folder: Path) -> VirtualCamera | None:
    """Return the virtual camera that runs in `folder`; None when there is none."""
    try:
        state = parse_json((folder / "state.json").read_bytes())
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
            # Missing in the state of a camera that an earlier release started.
            node_red_problem=state.get("node_red_problem") and str(state["node_red_problem"]),
            firmware=str(state.get("firmware", FIRMWARES[0])),
        )
        alive = not _is_gone(camera)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return camera if alive else None


def node_red_runs(camera: VirtualCamera) -> bool:
    """Probe the camera's Node-RED, which may end by itself while the camera keeps running."""
    if camera.node_red_url is None:
        return False
    port = urlsplit(camera.node_red_url).port or 0
    return probe_port(camera.host, port, _PROBE_SECONDS) is Port.open


@dataclass(frozen=True)
class NodeRedOptions:
    """An installed Node-RED, from `install_node_red`.

    `cache` is its folder. `nodes_version` names the release of Seeed's nodes that its stand-ins
    follow ("" for the newest). `nodes` is a clone of those nodes, to be used instead. `dashboard`
    adds what a new camera's dashboard needs.
    """

    cache: Path
    nodes: Path | None = None
    nodes_version: str = ""
    dashboard: bool = False


def start(
    folder: Path,
    simulator_libraries: tuple[Path, ...],
    progress: Progress,
    node_red: NodeRedOptions | None = None,
    pictures: Path | None = None,
    *,
    emulated: Path | None = None,
    announce: bool = False,
    address: str | None = None,
    firmware: str = FIRMWARES[0],
) -> VirtualCamera:
    """Start a virtual camera in `folder` and wait until it can be reached.

    `node_red` gives it a Node-RED. `pictures` is the folder of pictures that it sees, by default
    the demo's. `announce` announces it by mDNS on the loopback. At an `address` of the loopback it
    has a camera's own ports; else free ones at 127.0.0.1. `firmware` is one of FIRMWARES.
    `simulator_libraries` are the folders of the TPU simulator's libraries. Models whose emulated
    network is in `emulated`, a folder of finished steps, run in onnxruntime instead.

    Raises VirtualCameraError when it does not start, or its extra is not installed.
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
        version = node_red.nodes_version
        command += ["--nodes-version", version] if version else []
        command += ["--dashboard"] if node_red.dashboard else []
    command += ["--emulated", str(emulated.absolute())] if emulated else []
    if pictures:
        command += ["--pictures", str(pictures.absolute())]
    command += ["--announce"] if announce else []
    command += ["--address", address] if address else []
    command += ["--firmware", firmware]
    log = folder / "start.log"
    log.unlink(missing_ok=True)
    with progress.step("Starting the virtual camera"):
        pid = process.start_detached(command, cwd=resource("device"), env=os.environ, log=log)
        try:
            return _ready(folder, pid, log)
        except BaseException:
            process.end_group(pid)
            raise


def install_node_red(options: NodeRedOptions, progress: Progress) -> NodeRedOptions:
    """Install Node-RED if needed, before the camera starts; the first time it downloads from npm.

    Raises VirtualCameraError when it cannot be installed, or the virtual camera's extra is missing.
    """
    _check_extra()
    command = [sys.executable, "-m", "virtual.nodered", "install"]
    command += ["--cache-dir", str(options.cache)]
    command += ["--dashboard"] if options.dashboard else []
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
            "Fix that and try again, or leave Node-RED out: --no-node-red.",
        )
    return options


def reads_fixed_ports(nodes: Path) -> bool:
    """Whether the preview of these nodes of Seeed's knows ports 8080 and 8090 alone: from 0.3 on.

    `nodes` holds their package, or is a clone of its repository; for anything else it is False.
    """
    for package in (nodes, nodes / "node-red-contrib-sscma"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            document = parse_json((package / "package.json").read_bytes())
            major, minor = str(document["version"]).split(".")[:2]
            return (int(major), int(minor)) >= _BROWSER_READS
    return False


def _check_extra() -> None:
    if any(importlib.util.find_spec(name) is None for name in _EXTRA):
        raise VirtualCameraError(
            "the virtual camera is not installed", f"Run: {install_extra('virtual')}"
        )


def _ready(folder: Path, pid: int, log: Path) -> VirtualCamera:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        camera = running(folder)
        if camera and camera.pid == pid:
            return camera
        if process.has_ended(pid):
            output = log.read_text(encoding="utf-8", errors="backslashreplace").strip()
            last = output.splitlines()[-1] if output else "it printed nothing"
            raise VirtualCameraError(
                f"the virtual camera did not start: {last}", f"Its whole output is in {log}."
            )
        time.sleep(_POLL_SECONDS)
    raise VirtualCameraError(
        f"the virtual camera was not ready after {_READY_SECONDS:.0f} s", f"See {log}."
    )


def stop(folder: Path) -> bool:
    """Stop the virtual camera in `folder`; return False when none was running.

    Return after its process has ended. Raises VirtualCameraError when it does not end.
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
    """Return the boot and the kernel tick at which a live process started, to identify it.

    Raises OSError when there is no such process, ProcessLookupError when it is a zombie.
    """
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    state, *fields = stat.rpartition(")")[2].split()
    if state == "Z":
        raise ProcessLookupError(pid)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return f"{boot}/{fields[18]}"
