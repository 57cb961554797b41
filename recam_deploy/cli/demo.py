"""`recam demo`: all of it, against a virtual camera, with the bundled model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .boundary import bounded
from .options import AsJson

if TYPE_CHECKING:
    from ..console import Terminal
    from ..settings import Settings
    from .up import Journey

_FACTORY_PASSWORD = "recamera"  # noqa: S105 - the camera's published first password

_NEXT = (
    "",
    "Next, with your own model and camera:",
    "  recam up MODEL.onnx --calibration PICTURES/ --image PICTURE.jpg --host 192.168.42.1",
    "or with a virtual one that stays: recam virtual up --detach",
)


@bounded
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for the model and the pictures.")
    ] = Path("recam-demo"),
    as_json: AsJson = False,
) -> None:
    """Convert the bundled model, deploy it to a virtual camera, and try it there.

    Nothing is needed but this machine. The first run installs the compiler.
    """
    from ..console import Terminal
    from ..settings import load_settings
    from ..toolchain import ensure
    from ..virtual_camera import start, stop
    from .up import print_journey

    terminal = Terminal(as_json=as_json)
    cache_dir = load_settings().cache_dir
    output.mkdir(parents=True, exist_ok=True)
    toolchain = ensure(cache_dir, terminal)
    with tempfile.TemporaryDirectory(prefix="recam-camera-") as name:
        folder = Path(name)
        with terminal.step("Starting the virtual camera"):
            camera = start(folder, toolchain.simulator_libraries)
        try:
            # Nothing of the caller's own camera may lead the demo to it.
            settings = load_settings(
                {
                    "RECAM_SETTINGS": str(camera.settings),
                    "RECAM_PASSWORD": _FACTORY_PASSWORD,
                    "RECAM_CACHE_DIR": str(cache_dir),
                }
            )
            journey = _run(settings, terminal, output)
        finally:
            stop(folder)
    print_journey(terminal, journey)
    if not as_json:
        terminal.result({}, _NEXT)


def _run(settings: Settings, terminal: Terminal, output: Path) -> Journey:
    from ..resources import resource
    from .actions import prepare_conversion
    from .camera_actions import prepare_smoke_test
    from .up import run_journey

    files = resource("device/demo")
    picture = min((files / "test").glob("*.jpg"))
    conversion = prepare_conversion(
        settings,
        files / "shapes.onnx",
        files / "calibration",
        output / "shapes_int8.cvimodel",
        None,
    )
    smoke = prepare_smoke_test(settings, picture, None, output / "Out.jpg")
    return run_journey(settings, terminal, conversion, smoke, accept_host_key=False)
