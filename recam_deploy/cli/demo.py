"""Run `recam demo`: convert, deploy, test and show the bundled model on a virtual camera."""

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
    from ..workflows.up import UpResult

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
            help="Show live results in a real Node-RED, installed from npm the first time (99 MB "
            "on disk).",
        ),
    ] = True,
    stay: Annotated[
        bool,
        typer.Option("--stay", help="Keep the virtual camera running at the end, until Ctrl-C."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Convert the bundled model, deploy it to a virtual camera, test it, and show it live.

    Needs no camera. The first run installs the compiler and Node-RED. Where Node-RED cannot be
    installed or does not start, the demo warns and continues without it.

    Example: recam demo --stay
    """
    from ..settings import load_settings
    from ..terminal import Terminal
    from .up import print_up_result

    terminal = Terminal(as_json=as_json)
    cache_dir = load_settings().cache_dir
    output.mkdir(parents=True, exist_ok=True)
    with _camera(cache_dir, terminal, with_node_red=node_red) as camera:
        # The caller's own settings must not direct the demo to a real camera.
        settings = load_settings(
            {
                "RECAM_SETTINGS": str(camera.settings),
                "RECAM_PASSWORD": _FACTORY_PASSWORD,
                "RECAM_CACHE_DIR": str(cache_dir),
            }
        )
        result = _run(settings, terminal, output, live=camera.node_red_url is not None)
        print_up_result(terminal, result, {"camera": camera.as_json()} if stay else {})
        if stay:
            _stay(camera, terminal)
    if result.outcome.problem:
        raise typer.Exit(FAILED)
    if not (as_json or stay):
        terminal.result({}, _NEXT)
        if result.outcome.live:
            terminal.result({}, ["or see this one in Node-RED's editor: recam demo --stay"])


@contextlib.contextmanager
def _camera(cache_dir: Path, terminal: Terminal, *, with_node_red: bool) -> Iterator[VirtualCamera]:
    """Run a virtual camera in a temporary folder while the block runs.

    Raises VirtualCameraError when it does not start.
    """
    from ..errors import VirtualCameraError
    from ..toolchain import ensure
    from ..virtual_camera import start, stop

    libraries = ensure(cache_dir, terminal).simulator_libraries
    node_red = _node_red(cache_dir, terminal) if with_node_red else None
    with tempfile.TemporaryDirectory(prefix="recam-camera-") as name:
        folder = Path(name)
        try:
            camera = start(folder, libraries, terminal, node_red, emulated=cache_dir / "steps")
        except VirtualCameraError as error:
            # The folder, and the log in it, is removed.
            raise VirtualCameraError(
                error.message, "Run `recam virtual up`, which keeps its log."
            ) from error
        try:
            if camera.node_red_problem:
                terminal.warn(f"nothing is shown live: {camera.node_red_problem}")
            yield camera
        finally:
            stop(folder)


def _node_red(cache_dir: Path, terminal: Terminal) -> NodeRedOptions | None:
    """Install Node-RED; warn and return None where that fails, for only the last step needs it."""
    from ..errors import VirtualCameraError
    from ..virtual_camera import NodeRedOptions, install_node_red

    try:
        return install_node_red(NodeRedOptions(cache_dir), terminal)
    except VirtualCameraError as error:
        terminal.warn(f"nothing is shown live: {error.message}")
        return None


def _run(settings: Settings, terminal: Terminal, output: Path, *, live: bool) -> UpResult:
    from ..resources import resource
    from ..workflows.convert import prepare_conversion
    from ..workflows.deploy import prepare_smoke_test
    from ..workflows.flows import choose_flow
    from ..workflows.up import run_up

    files = resource("device/demo")
    picture = min((files / "test").glob("*.jpg"))
    settings = settings.with_flags(convert={"dataset": files / "calibration"})
    conversion = prepare_conversion(
        settings, files / "shapes.onnx", output / "shapes_int8.cvimodel", None, None, terminal
    )
    smoke = prepare_smoke_test(settings, picture, None, output / "Out.jpg")
    flow = choose_flow(None, None) if live else None
    return run_up(settings, terminal, conversion, smoke, accept_host_key=False, flow=flow)


def _stay(camera: VirtualCamera, terminal: Terminal) -> None:
    from ..virtual_camera import node_red_runs
    from .virtual import camera_lines, until_interrupted

    if not terminal.as_json:
        terminal.result({}, ["", *camera_lines(camera, node_red_runs(camera))])
    until_interrupted(camera, terminal)
