"""Run `recam verify`: compare a cvimodel with its float model, and write an HTML report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .error_handler import bounded
from .options.common import ArtifactPath, AsJson, Labels
from .options.numbers import number

if TYPE_CHECKING:
    from ..picture_sets import Choice
    from ..report.comparison import Comparison


@bounded
def verify(
    artifact: ArtifactPath,
    images: Annotated[
        Path,
        typer.Option(
            help="Pictures to compare both models on: a folder, a data.yaml, or a list.",
            show_default=False,
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL.onnx",
            help="The float model that the artifact was converted from. "
            "(default: the one that the manifest names: beside it, in this folder, or among the "
            "models that recam has exported)",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            help="Where to write the report. (default: ARTIFACT.report.html in this folder)",
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            **number("verify.limit"),
            help="The most pictures to compare on, spread over all.",
        ),
    ] = 20,
    layers: Annotated[
        bool,
        typer.Option(
            "--layers",
            help="Also measure the error of each layer, and say how to keep the worst in BF16.",
        ),
    ] = False,
    layer_images: Annotated[
        int,
        typer.Option(
            **number("verify.layer_images"),
            help="With --layers: the number of pictures to measure on.",
        ),
    ] = 1,
    labels: Labels = None,
    as_json: AsJson = False,
) -> None:
    """Compare the cvimodel with the float model on your pictures, in an HTML report.

    Runs both on the same pictures, the cvimodel in the TPU simulator, bit for bit as on the chip.
    The report is one HTML file that needs no network. It shows the errors of each output, and the
    detections of both models on each picture, with missed and extra ones marked.

    Example: recam verify yolo11n_int8.json --images pictures/

    Example: recam verify yolo11n_int8.json --images pictures/ --layers
    """
    from ..artifact import load_artifact
    from ..class_names import read_labels
    from ..settings import load_settings
    from ..terminal import Terminal
    from ..workflows import verify as workflow

    terminal = Terminal(as_json=as_json)
    result = workflow.verify(
        load_settings(),
        terminal,
        load_artifact(artifact, read_labels(labels) if labels else ()),
        images,
        model=model,
        report=report,
        limit=limit,
        layer_images=layer_images if layers else 0,
    )
    comparison = result.comparison
    lines = _lines(comparison, result.report, result.pictures)
    terminal.result(comparison.as_json(result.report), lines)


def _lines(comparison: Comparison, target: Path, choice: Choice) -> list[str]:
    counts = comparison.agreement
    least = min(comparison.outputs, key=lambda output: output.cosine)
    detections = (
        f"detections: {counts.matched} of {counts.reference} matched, "
        f"{counts.reference - counts.matched} missed, {counts.extra} extra"
    )
    return [
        f"compared on {choice.told()}",
        f"least cosine {least.cosine:.4f} ({least.name})",
        *([detections] if comparison.detects else []),
        *([f"mean mask IoU {comparison.mask_iou:.3f}"] if comparison.mask_iou is not None else []),
        *_layer_lines(comparison),
        f"report: {target}",
    ]


def _layer_lines(comparison: Comparison) -> list[str]:
    errors = comparison.layers
    if errors is None:
        return []
    compared = f"layers: {len(errors.layers)} of {errors.operators} operators compared"
    worst = errors.worst(3)
    return [
        compared + (", those that add most error:" if worst else ""),
        *(f"  +{100 * layer.added:.1f} % {layer.name}" for layer in worst),
    ]
