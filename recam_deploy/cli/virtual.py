"""Run `recam virtual`: start, show and stop a virtual camera."""

from __future__ import annotations

import contextlib
import ipaddress
import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .error_handler import bounded
from .options.common import AsJson

if TYPE_CHECKING:
    from ..terminal import Terminal
    from ..virtual_camera import VirtualCamera

app = typer.Typer(
    no_args_is_help=True,
    help="Run a virtual reCamera on this machine: real SSH, the camera's files and sudo, its "
    "sscma-model on a bit-exact simulator of the TPU, its HTTP API, its camera and model nodes "
    "over MQTT, and a real Node-RED.",
)


class Firmware(str, Enum):
    """Those that the virtual camera can play."""

    current = "0.2.4"
    next = "next"


Folder = Annotated[
    Path | None,
    typer.Option("--dir", help="The folder for its files. (default: a folder in recam's cache)"),
]


class NodesVersion(str, Enum):
    """Versions of Seeed's nodes that the virtual camera has stand-ins for."""

    older = "0.2.7"
    newest = "0.3.6"


def _loopback(text: str | None) -> str | None:
    """Check that it is an IPv4 address of the loopback. Raises typer.BadParameter."""
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        if (address := ipaddress.IPv4Address(text)).is_loopback:
            return str(address)
    raise typer.BadParameter("give an IPv4 address of the loopback, such as 127.0.0.2")


@app.command()
@bounded
def up(
    folder: Folder = None,
    detach: Annotated[
        bool,
        typer.Option("--detach", help="Return when it is ready; `recam virtual down` stops it."),
    ] = False,
    node_red: Annotated[
        bool,
        typer.Option(
            "--node-red/--no-node-red",
            help="Run a real Node-RED, installed from npm the first time (99 MB on disk).",
        ),
    ] = True,
    nodes: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A clone of Seeed-Studio/node-red-contrib-nodes (or -sscma), whose nodes Node-RED "
            "loads instead of recam's imitations. From 0.3 on their preview reads ports 8080 and "
            "8090: give --address too.",
        ),
    ] = None,
    nodes_version: Annotated[
        NodesVersion | None,
        typer.Option(
            help="The version of Seeed's nodes to imitate: 0.2.7, of firmware before 0.2.1, or "
            "0.3.6, of firmware since. (default: 0.3.6)",
            show_default=False,
        ),
    ] = None,
    dashboard: Annotated[
        bool,
        typer.Option(
            "--dashboard",
            help="With the nodes that a new camera's own flows need besides, so that these run: "
            "@flowfuse/node-red-dashboard and node-red-contrib-os, from npm (134 MB more on disk).",
        ),
    ] = False,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The pictures that the camera sees, in turn. (default: the demo's shapes)",
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="127.X.Y.Z",
            callback=_loopback,
            help="Listen at this address of the loopback, on a camera's own ports (22, 80, 1880, "
            "1883, 8080, 8090). Several cameras run side by side, each with an address and a "
            "--dir. (default: free ports at 127.0.0.1)",
            show_default=False,
        ),
    ] = None,
    announce: Annotated[
        bool,
        typer.Option(
            "--announce",
            help="Announce it by mDNS on the loopback, for `recam discover --interface 127.0.0.1`.",
        ),
    ] = False,
    firmware: Annotated[
        Firmware | None,
        typer.Option(
            help="The firmware to imitate. next: the unreleased one after 0.2.4, which accepts "
            "nearly every model. (default: 0.2.4)",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start the virtual camera; it runs until Ctrl-C, or in the background with --detach.

    Models that were converted on this machine run in onnxruntime, proved to give the simulator's
    results and much faster; all others run in the simulator.

    It listens on this machine only, and writes a recam.toml with its address:

        export RECAM_SETTINGS=<that file> RECAM_PASSWORD=recamera
    """
    from ..errors import VirtualCameraError
    from ..settings import load_settings
    from ..terminal import Terminal
    from ..toolchain import ensure
    from ..virtual_camera import (
        NodeRedOptions,
        install_node_red,
        node_red_runs,
        reads_fixed_ports,
        running,
        start,
        stop,
    )

    terminal = Terminal(as_json=as_json)
    settings = load_settings()
    place = _place(folder, settings.cache_dir)
    camera = running(place)
    if camera is None:
        if nodes and not address and reads_fixed_ports(nodes):
            terminal.warn(
                "the preview of these nodes reads ports 8080 and 8090 of a camera: to see it, add "
                "--address 127.0.0.2"
            )
        version = nodes_version.value if nodes_version else ""
        options = NodeRedOptions(settings.cache_dir, nodes, version, dashboard)
        camera = start(
            place,
            ensure(settings.cache_dir, terminal).simulator_libraries,
            terminal,
            install_node_red(options, terminal) if node_red else None,
            pictures,
            emulated=settings.cache_dir / "steps",
            announce=announce,
            address=address,
            firmware=(firmware or Firmware.current).value,
        )
    elif address not in (None, camera.host):
        raise VirtualCameraError(
            f"the virtual camera in {place} runs already, at {camera.host}",
            "Give the second one a folder of its own (--dir), or stop this one first.",
        )
    elif any((nodes, nodes_version, dashboard, pictures, announce)) or (
        _differs(camera, node_red, firmware)
    ):
        terminal.warn("it runs already: the options take effect at its next start")
    try:
        if camera.node_red_problem:
            terminal.warn(f"it runs without Node-RED: {camera.node_red_problem}")
        runs = node_red_runs(camera)
        terminal.result(_document(camera, runs), camera_lines(camera, runs))
        if not detach:
            until_interrupted(camera, terminal)
    finally:
        if not detach:
            stop(place)


@app.command()
@bounded
def down(folder: Folder = None, as_json: AsJson = False) -> None:
    """Stop the virtual camera; its files stay for the next start."""
    from ..settings import load_settings
    from ..terminal import Terminal
    from ..virtual_camera import stop

    place = _place(folder, load_settings().cache_dir)
    stopped = stop(place)
    line = "stopped" if stopped else f"no virtual camera runs in {place}"
    Terminal(as_json=as_json).result({"stopped": stopped, "folder": str(place)}, [line])


@app.command()
@bounded
def status(folder: Folder = None, as_json: AsJson = False) -> None:
    """Show whether the virtual camera runs, and how to reach it."""
    from ..settings import load_settings
    from ..terminal import Terminal
    from ..virtual_camera import node_red_runs, running

    terminal = Terminal(as_json=as_json)
    place = _place(folder, load_settings().cache_dir)
    camera = running(place)
    if camera is None:
        document = {"running": False, "folder": str(place)}
        terminal.result(document, [f"no virtual camera runs in {place}"])
        return
    runs = node_red_runs(camera)
    terminal.result({"running": True, **_document(camera, runs)}, camera_lines(camera, runs))


def until_interrupted(camera: VirtualCamera, terminal: Terminal) -> None:
    """Wait while the virtual camera runs, at most until Ctrl-C."""
    from ..virtual_camera import running

    terminal.say("Ctrl-C stops it.")
    try:
        while running(camera.folder):
            time.sleep(0.5)
        terminal.warn(f"the virtual camera has ended; its log is {camera.log}")
    except KeyboardInterrupt:
        terminal.say("Stopping")


def _differs(camera: VirtualCamera, node_red: bool, firmware: Firmware | None) -> bool:
    """Whether a running camera is another one than what is asked for."""
    return camera.has_node_red != node_red or firmware not in (None, camera.firmware)


def _place(folder: Path | None, cache_dir: Path) -> Path:
    return (folder or cache_dir / "virtual-camera").absolute()


def _document(camera: VirtualCamera, node_red_runs: bool) -> dict[str, Any]:
    return {**camera.as_json(), "node_red_runs": node_red_runs}


def camera_lines(camera: VirtualCamera, node_red_runs: bool) -> list[str]:
    """List the addresses of the virtual camera for people."""
    editor = camera.node_red_url if node_red_runs else f"is not running; see {camera.log}"
    return [
        f"the virtual camera runs at {camera.host}, SSH port {camera.ssh_port}, user {camera.user}",
        f"  firmware: {camera.firmware}",
        *([f"  Node-RED: {editor}"] if camera.has_node_red else []),
        f"  HTTP API {camera.http_url}, MQTT port {camera.mqtt_port}, preview {camera.preview_ws}",
        "use it with:",
        f"  export RECAM_SETTINGS={camera.settings} RECAM_PASSWORD=recamera",
    ]
