"""Run `recam evaluate`: measure float model and cvimodel on labelled pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..workflows import WAIT_SECONDS
from .error_handler import bounded
from .options.camera import CameraFlags, Wait
from .options.common import ArtifactPath, AsJson, Labels
from .options.evaluation import Backend, Data, Jobs, Limit, MaxDrop, On, Scheduler, Split
from .options.groups import grouped

if TYPE_CHECKING:
    from ..evaluation.evaluate import Evaluation
    from ..terminal import Terminal
    from ..workflows.evaluate import EvaluationResult

_WORST = 5


@bounded
@grouped
def evaluate(
    artifact: ArtifactPath,
    data: Data,
    camera: CameraFlags,
    split: Split = None,
    limit: Limit = None,
    on: On = Backend.emulator,
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    max_drop: MaxDrop = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL.onnx",
            help="The float model that the artifact was converted from. (default: the one that "
            "the manifest names)",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            help="Write a report: curves, classes, sizes, confusion, and the pictures that lost "
            "most, drawn. One file that needs no network.",
        ),
    ] = None,
    coco: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write labels and both models' detections as COCO files into a folder, for "
            "fiftyone, CVAT and Label Studio.",
        ),
    ] = None,
    labels: Labels = None,
    wait: Wait = WAIT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Measure how much accuracy the cvimodel lost, on your labelled pictures.

    Runs the float model and the cvimodel on them, decodes both as the camera does, and compares
    both with the labels: average precision as COCO defines it, or the share of right classes. Also
    says what the camera will show at its own thresholds. The numbers go into the manifest.

    Example: recam evaluate yolo11n_int8.json --data data.yaml

    Example: recam evaluate yolo11n_int8.json --data data.yaml --max-drop 0.01

    Example: recam evaluate yolo11n_int8.json --data data.yaml --on camera --host 192.168.42.1
    """
    from functools import partial

    from ..artifact import load_artifact
    from ..class_names import read_labels
    from ..settings import load_settings
    from ..terminal import Terminal
    from ..workflows.evaluate import EvaluationOptions, run_evaluation
    from ..workflows.on_camera import tpu_of_camera

    terminal = Terminal(as_json=as_json)
    settings = camera.settings() if on is Backend.camera else load_settings()
    read = load_artifact(artifact, read_labels(labels) if labels else ())
    options = EvaluationOptions(
        data, split, limit, on.value, report, coco, jobs=jobs, scheduler=scheduler
    )
    opened = partial(
        tpu_of_camera,
        settings,
        terminal,
        read,
        purpose=f"evaluating {read.name}",
        wait=wait,
        accept_host_key=camera.accept_host_key,
    )
    result = run_evaluation(settings, terminal, read, options, model=model, camera=opened)
    evaluation = result.evaluation
    if not as_json:
        print_evaluation(terminal, evaluation)
        written = [f"report: {result.report}"] if result.report else []
        written += [f"COCO files: {coco}"] if result.coco else []
        terminal.result({}, written)
    evaluation.check(max_drop)
    if as_json:
        terminal.result(_document(result), [])


def _document(result: EvaluationResult) -> dict[str, Any]:
    return {
        **result.evaluation.as_json(),
        "report": str(result.report.absolute()) if result.report else None,
        **({"coco": [str(path.absolute()) for path in result.coco]} if result.coco else {}),
    }


def print_evaluation(terminal: Terminal, evaluation: Evaluation) -> None:
    """Print the figures of both models, the classes that lost most, and what the camera shows."""
    terminal.table("", ("", "float", "cvimodel", "lost"), figure_rows(evaluation))
    terminal.table("", ("lost most", "float", "cvimodel", "lost"), class_rows(evaluation))
    terminal.result({}, evaluation_lines(evaluation))


def evaluation_lines(evaluation: Evaluation) -> list[str]:
    """Summarize an evaluation for people."""
    labelled, seen = evaluation.labelled, evaluation.as_camera
    count = len(labelled.pictures)
    part = f" of `{labelled.part}`" if labelled.part else ""
    of = f" of {labelled.of:,}" if labelled.of > count else ""
    speed = count / evaluation.seconds if evaluation.seconds else 0.0
    return [
        f"on the camera: {_percent(seen.precision)} of what it shows is right, and it shows "
        f"{_percent(seen.recall)} of what is there",
        f"{count:,}{of} pictures{part} with {labelled.objects:,} objects in "
        f"{evaluation.seconds:.1f} s ({speed:.1f} a second), by the {evaluation.backend}",
    ]


def figure_rows(evaluation: Evaluation) -> list[tuple[str, str, str, str]]:
    """List each figure of both models, and the difference."""
    from ..measured import figure_title

    first, second = evaluation.reference.figures, evaluation.cvimodel.figures
    return [(figure_title(name), *_three(first[name], second[name])) for name in first]


def class_rows(evaluation: Evaluation) -> list[tuple[str, str, str, str]]:
    """List the classes that lost most."""
    return [
        (one["label"], *_three(one["float"], one["cvimodel"]))
        for one in evaluation.classes()[:_WORST]
    ]


def _three(a: float | None, b: float | None) -> tuple[str, str, str]:
    lost = None if a is None or b is None else a - b
    return _number(a), _number(b), _number(lost)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.1f} %"
