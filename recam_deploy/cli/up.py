"""`recam up`: convert, deploy and test in one command."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .boundary import bounded
from .options import (
    WAIT_SECONDS,
    AcceptHostKey,
    AsJson,
    Calibration,
    Host,
    Images,
    Key,
    Labels,
    MinCosine,
    MinMatched,
    Model,
    ModelOutput,
    Output,
    Port,
    Quantize,
    QuantizeTable,
    Runner,
    Toolchain,
    User,
    Verify,
    Wait,
)

if TYPE_CHECKING:
    from ..camera.deployment import Deployment
    from ..camera.smoke import SmokeReport
    from ..console import Terminal
    from ..conversion.convert import ConversionResult
    from ..settings import Settings
    from .actions import Prepared
    from .camera_actions import SmokeInputs


@bounded
def up(
    model: Model,
    calibration: Calibration,
    image: Annotated[Path, typer.Option(help="A picture to try the model on.", show_default=False)],
    output: Output = Path("Out.jpg"),
    model_output: ModelOutput = None,
    labels: Labels = None,
    images: Images = None,
    verify: Verify = None,
    quantize: Quantize = None,
    quantize_table: QuantizeTable = None,
    toolchain: Toolchain = None,
    min_cosine: MinCosine = None,
    min_matched: MinMatched = None,
    runner: Runner = None,
    host: Host = None,
    port: Port = None,
    user: User = None,
    key: Key = None,
    accept_host_key: AcceptHostKey = False,
    wait: Wait = WAIT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Convert a model, try it on the camera with a picture, and put it in place there.

    What did not change since the last time is not done again. A model that fails on the camera
    does not become the active one.

    Example: recam up yolo11n.onnx --calibration pictures/ --image bus.jpg --host 192.168.42.1
    """
    from ..console import Terminal
    from .actions import prepare_conversion
    from .camera_actions import prepare_smoke_test
    from .login import camera_settings

    terminal = Terminal(as_json=as_json)
    settings = camera_settings(host, port, user, key).with_flags(
        general={"toolchain": toolchain.value if toolchain else None},
        convert={
            "images": images,
            "verify": verify,
            "quantize": quantize.value if quantize else None,
            "quantize_table": quantize_table,
            "min_cosine": min_cosine,
            "min_matched": min_matched,
        },
    )
    conversion = prepare_conversion(settings, model, calibration, model_output, labels)
    smoke = prepare_smoke_test(settings, image, runner, output)
    journey = run_journey(
        settings, terminal, conversion, smoke, accept_host_key=accept_host_key, wait=wait
    )
    print_journey(terminal, journey)


@dataclass(frozen=True)
class Journey:
    """What the three steps gave, and the seconds each took."""

    conversion: ConversionResult
    deployment: Deployment
    smoke: SmokeReport
    seconds: dict[str, float] = field(default_factory=dict)


def run_journey(
    settings: Settings,
    terminal: Terminal,
    conversion: Prepared,
    smoke: SmokeInputs,
    *,
    accept_host_key: bool,
    wait: float = WAIT_SECONDS,
) -> Journey:
    """Log in first, so that a wrong password costs no conversion; then one step after the other."""
    from .actions import run_conversion
    from .camera_actions import at_work, deploy_tested
    from .login import open_remote

    started = time.monotonic()
    with open_remote(settings, accept_host_key=accept_host_key, as_json=terminal.as_json) as remote:
        converted = run_conversion(settings, terminal, conversion)
        seconds = {"convert": time.monotonic() - started}
        artifact = converted.artifact
        with at_work(remote, settings, f"deploying {artifact.name}", terminal, wait) as lock:
            done = deploy_tested(remote, settings, artifact, smoke, terminal, lock)
    seconds |= {"deploy": done.deploy_seconds, "test": done.test_seconds}
    rounded = {name: round(value, 2) for name, value in seconds.items()}
    return Journey(converted, done.deployment, done.report, rounded)


def print_journey(terminal: Terminal, journey: Journey) -> None:
    """A summary table and the pictures' paths, or the documents of all three steps."""
    from .convert import conversion_document, warn_of_empty_check
    from .deploy import smoke_lines

    warn_of_empty_check(terminal, journey.conversion)
    if terminal.as_json:
        converted = conversion_document(journey.conversion)
        document: dict[str, Any] = {
            "artifact": converted["artifact"],
            "conversion": {key: value for key, value in converted.items() if key != "artifact"},
            "deployment": journey.deployment.as_json(),
            "smoke": journey.smoke.as_json(),
            "seconds": journey.seconds,
        }
        terminal.result(document)
        return
    terminal.table("", ("step", "result", "seconds"), _rows(journey))
    terminal.result({}, smoke_lines(journey.smoke))


def _rows(journey: Journey) -> list[tuple[str, str, str]]:
    conversion, deployment, smoke = journey.conversion, journey.deployment, journey.smoke
    reused = sum(step.cached for step in conversion.steps)
    counts = conversion.verification.detections
    results = {
        "convert": f"{conversion.artifact.cvimodel.name}, {conversion.artifact.quantization}; "
        f"cosine {min(conversion.verification.cosine):.4f}, "
        f"{counts.matched} of {counts.reference} detections matched"
        + (f"; {reused} of {len(conversion.steps)} steps unchanged" if reused else ""),
        "deploy": f"{deployment.active}"
        + ("" if deployment.changed else "; unchanged, nothing sent"),
        "test": f"{len(smoke.detections)} objects found on the camera",
    }
    return [(name, text, f"{journey.seconds[name]:.1f}") for name, text in results.items()]
