"""`recam demo`: all of it, against a virtual camera, with the bundled model."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .error_handler import FAILED, bounded
from .options.common import AsJson

if TYPE_CHECKING:
    from ..settings import Settings
    from ..terminal import Terminal
    from ..virtual_camera import NodeRedOptions, VirtualCamera
    from .up import Journey

_FACTORY_PASSWORD = "recamera"  # noqa: S105 - the camera's published first password

_NEXT = (
    "",
    "Next, with your own model and camera:",
    "  recam up MODEL.onnx --calibration PICTURES/ --image PICTURE.jpg --host 192.168.42.1",
)


@bounded
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for the model and the pictures.")
    ] = Path("recam-demo"),
    node_red: Annotated[
        bool,
        typer.Option(
            "--node-red/--no-node-red",
            help="End with live results from a real Node-RED, installed from npm the first time "
            "(95 MB on disk).",
        ),
    ] = True,
    stay: Annotated[
        bool,
        typer.Option(
            "--stay", help="Keep the virtual camera at the end, to look at it, until Ctrl-C."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Convert the bundled model, deploy it to a virtual camera, try it there, and show it live.

    Nothing is needed but this machine. The first run installs the compiler and Node-RED; where
    Node-RED cannot be had, or does not start, the demo goes on without, and says so.

    Example: recam demo --stay
    """
    from ..settings import load_settings
    from ..terminal import Terminal
    from .up import print_journey

    terminal = Terminal(as_json=as_json)
    cache_dir = load_settings().cache_dir
    output.mkdir(parents=True, exist_ok=True)
    with _camera(cache_dir, terminal, with_node_red=node_red) as camera:
        # Nothing of the caller's own camera may lead the demo to it.
        settings = load_settings(
            {
                "RECAM_SETTINGS": str(camera.settings),
                "RECAM_PASSWORD": _FACTORY_PASSWORD,
                "RECAM_CACHE_DIR": str(cache_dir),
            }
        )
        journey = _run(settings, terminal, output, live=camera.node_red_url is not None)
        print_journey(terminal, journey, {"camera": camera.as_json()} if stay else {})
        if stay:
            _stay(camera, terminal)
    if journey.outcome.problem:
        raise typer.Exit(FAILED)
    if not (as_json or stay):
        terminal.result({}, _NEXT)
        if journey.outcome.live:
            terminal.result({}, ["or see this one in Node-RED's editor: recam demo --stay"])


@contextlib.contextmanager
def _camera(cache_dir: Path, terminal: Terminal, *, with_node_red: bool) -> Iterator[VirtualCamera]:
    """A virtual camera in a folder of its own, for as long as the block lasts."""
    from ..errors import VirtualCameraError
    from ..toolchain import ensure
    from ..virtual_camera import start, stop

    libraries = ensure(cache_dir, terminal).simulator_libraries
    node_red = _node_red(cache_dir, terminal) if with_node_red else None
    with tempfile.TemporaryDirectory(prefix="recam-camera-") as name:
        folder = Path(name)
        try:
            camera = start(folder, libraries, terminal, node_red)
        except VirtualCameraError as error:
            # Its log goes with the folder.
            raise VirtualCameraError(error.message, "`recam virtual up` keeps its log.") from error
        try:
            if camera.node_red_problem:
                terminal.warn(f"nothing is shown live: {camera.node_red_problem}")
            yield camera
        finally:
            stop(folder)


def _node_red(cache_dir: Path, terminal: Terminal) -> NodeRedOptions | None:
    """Node-RED, installed; None where it cannot be: all but the last step goes without it."""
    from ..errors import VirtualCameraError
    from ..virtual_camera import install_node_red

    try:
        return install_node_red(cache_dir, terminal)
    except VirtualCameraError as error:
        terminal.warn(f"nothing is shown live: {error.message}")
        return None


def _run(settings: Settings, terminal: Terminal, output: Path, *, live: bool) -> Journey:
    from ..resources import resource
    from .actions import prepare_conversion
    from .camera_actions import prepare_smoke_test
    from .flow_actions import choose_flow
    from .up import run_journey

    files = resource("device/demo")
    picture = min((files / "test").glob("*.jpg"))
    settings = settings.with_flags(convert={"dataset": files / "calibration"})
    conversion = prepare_conversion(
        settings, files / "shapes.onnx", output / "shapes_int8.cvimodel", None
    )
    smoke = prepare_smoke_test(settings, picture, None, output / "Out.jpg")
    flow = choose_flow(None, None) if live else None
    return run_journey(settings, terminal, conversion, smoke, accept_host_key=False, flow=flow)


def _stay(camera: VirtualCamera, terminal: Terminal) -> None:
    from ..virtual_camera import node_red_runs
    from .virtual import camera_lines, until_interrupted

    if not terminal.as_json:
        terminal.result({}, ["", *camera_lines(camera, node_red_runs(camera))])
    until_interrupted(camera, terminal)
