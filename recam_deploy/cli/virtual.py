"""`recam virtual`: a camera without hardware."""

from __future__ import annotations

import time
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
    help="A virtual reCamera on this machine: real SSH, the camera's files and sudo, its "
    "sscma-model on a bit-exact simulator of the TPU, its HTTP API, its camera and model nodes "
    "over MQTT, and a real Node-RED.",
)

Folder = Annotated[
    Path | None,
    typer.Option("--dir", help="Where its files live. (default: a folder in recam's cache)"),
]


@app.command()
@bounded
def up(
    folder: Folder = None,
    detach: Annotated[
        bool,
        typer.Option("--detach", help="Return when it is ready; `recam virtual down` ends it."),
    ] = False,
    node_red: Annotated[
        bool,
        typer.Option(
            "--node-red/--no-node-red",
            help="With a real Node-RED, installed from npm the first time (95 MB on disk).",
        ),
    ] = True,
    nodes: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A clone of Seeed-Studio/node-red-contrib-sscma, whose nodes Node-RED loads "
            "instead of the stand-ins.",
        ),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="What the camera sees, one after the other. (default: shapes)"
        ),
    ] = None,
    announce: Annotated[
        bool,
        typer.Option(
            "--announce",
            help="Announce it by mDNS on the loopback, for `recam discover --interface 127.0.0.1`.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start the virtual camera; it runs until Ctrl-C, or in the background with --detach.

    It listens on this machine only, and writes a recam.toml that points at itself:

        export RECAM_SETTINGS=<that file> RECAM_PASSWORD=recamera
    """
    from ..settings import load_settings
    from ..terminal import Terminal
    from ..toolchain import ensure
    from ..virtual_camera import install_node_red, node_red_runs, running, start, stop

    terminal = Terminal(as_json=as_json)
    settings = load_settings()
    place = _place(folder, settings.cache_dir)
    camera = running(place)
    if camera is None:
        camera = start(
            place,
            ensure(settings.cache_dir, terminal).simulator_libraries,
            terminal,
            install_node_red(settings.cache_dir, terminal, nodes) if node_red else None,
            pictures,
            announce=announce,
        )
    elif nodes or pictures or announce or node_red != camera.has_node_red:
        terminal.warn("it runs already: what it shall be like counts at its next start")
    try:
        if camera.node_red_problem:
            terminal.warn(f"it goes without Node-RED: {camera.node_red_problem}")
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
    """Stop the virtual camera; its files stay for the next time."""
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

    terminal.say("Ctrl-C ends it.")
    try:
        while running(camera.folder):
            time.sleep(0.5)
        terminal.warn(f"the virtual camera has ended; its log is {camera.log}")
    except KeyboardInterrupt:
        terminal.say("stopping")


def _place(folder: Path | None, cache_dir: Path) -> Path:
    return (folder or cache_dir / "virtual-camera").absolute()


def _document(camera: VirtualCamera, node_red_runs: bool) -> dict[str, Any]:
    return {**camera.as_json(), "node_red_runs": node_red_runs}


def camera_lines(camera: VirtualCamera, node_red_runs: bool) -> list[str]:
    """How the virtual camera can be reached, for people."""
    editor = camera.node_red_url if node_red_runs else f"is not running; see {camera.log}"
    return [
        f"the virtual camera runs at {camera.host}, SSH port {camera.ssh_port}, user {camera.user}",
        *([f"  Node-RED: {editor}"] if camera.has_node_red else []),
        f"  HTTP API {camera.http_url}, MQTT port {camera.mqtt_port}, preview {camera.preview_ws}",
        "use it with:",
        f"  export RECAM_SETTINGS={camera.settings} RECAM_PASSWORD=recamera",
    ]
