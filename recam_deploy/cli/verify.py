"""`recam verify`: a cvimodel against its float model on your own pictures, as an HTML report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .error_handler import bounded
from .options.common import ArtifactPath, AsJson, Labels

if TYPE_CHECKING:
    from ..artifact import Artifact
    from ..report.comparison import Comparison
    from ..report.layers import LayerMeter
    from ..terminal import Terminal
    from ..toolchain.simulator import Simulator


@bounded
def verify(
    artifact: ArtifactPath,
    images: Annotated[
        Path,
        typer.Option(help="A folder of pictures to compare both models on.", show_default=False),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL.onnx",
            help="The float model that the artifact was made from. "
            "(default: the one that the manifest names, beside it, in this folder, or among the "
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
        int, typer.Option(min=1, help="Compare on the first so many pictures at most.")
    ] = 20,
    layers: Annotated[
        bool,
        typer.Option(
            "--layers",
            help="Also measure what each layer loses, and tell how to keep the worst ones in BF16.",
        ),
    ] = False,
    layer_images: Annotated[
        int, typer.Option(min=1, help="With --layers, measure on the first so many pictures.")
    ] = 1,
    labels: Labels = None,
    as_json: AsJson = False,
) -> None:
    """Show what quantization cost: the float model and the cvimodel side by side.

    Both are run on the same pictures, the cvimodel bit for bit as the chip runs it. The report is
    one HTML file that needs no network: errors of each output, and what both found on each picture,
    with everything that was missed or is extra marked.

    Example: recam verify yolo11n_int8.json --images pictures/

    Example: recam verify yolo11n_int8.json --images pictures/ --layers
    """
    from ..artifact import load_artifact
    from ..class_names import read_labels
    from ..detection.pictures import list_pictures
    from ..files import write_atomically
    from ..frameworks import exported_folders
    from ..report.comparison import compare
    from ..report.html import render
    from ..report.subject import find_float_model, read_subject
    from ..settings import load_settings
    from ..terminal import Terminal
    from ..toolchain.simulator import Simulator
    from .actions import find_compiler

    terminal = Terminal(as_json=as_json)
    settings = load_settings()
    loaded = load_artifact(artifact, read_labels(labels) if labels else ())
    target = _report_path(report, loaded.cvimodel)
    pictures = list_pictures(images)
    exported = exported_folders(settings.cache_dir / "steps")
    float_model = find_float_model(loaded, model, (loaded.cvimodel.parent, Path(), *exported))
    subject = read_subject(loaded, float_model)
    simulator = Simulator(find_compiler(settings, terminal), settings.cache_dir / "tmp")
    meter = None
    if layers:
        meter = _meter(loaded, simulator, settings.cache_dir, terminal, layer_images)
    comparison = compare(subject, pictures, simulator, terminal, limit, meter)
    write_atomically(target, render(comparison).encode())
    if comparison.detects and not comparison.agreement.reference:
        terminal.warn(
            "the float model found nothing on these pictures, so no detections were compared; "
            "use pictures that show what it should find"
        )
    terminal.result(comparison.as_json(target), _lines(comparison, target))


def _meter(
    artifact: Artifact, simulator: Simulator, cache_dir: Path, terminal: Terminal, images: int
) -> LayerMeter:
    """Measures the network compiled apart, else the few layers that the cvimodel itself shows."""
    from ..conversion.layer_dump import compile_apart
    from ..report.layers import LayerMeter

    apart = compile_apart(artifact, simulator.compiler, cache_dir, terminal)
    if apart is None:
        terminal.warn(
            "what the conversion made is no longer in the cache, so only the few layers that the "
            "cvimodel itself shows are compared; run `recam convert` again to see them all"
        )
        return LayerMeter(simulator, artifact.cvimodel, images)
    table = apart.quantize_table
    return LayerMeter(simulator, apart.cvimodel, images, apart=True, quantize_table=table)


def _report_path(report: Path | None, cvimodel: Path) -> Path:
    from ..errors import InputError

    target = report or Path(f"{cvimodel.stem}.report.html")
    if target.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"the report {target} does not end in .html", f"Name it {target}.html.")
    if not target.parent.is_dir():
        raise InputError(f"the folder {target.parent} does not exist", "Make it first.")
    if target.is_dir():
        raise InputError(f"{target} is a folder", "Give the report another name.")
    return target


def _lines(comparison: Comparison, target: Path) -> list[str]:
    from ..report.text import counted

    counts = comparison.agreement
    least = min(comparison.outputs, key=lambda output: output.cosine)
    shown, available = len(comparison.pictures), comparison.available
    pictures = counted(shown, "picture")
    if shown < available:
        pictures = f"{shown} of {available} pictures"
    detections = (
        f"detections: {counts.matched} of {counts.reference} matched, "
        f"{counts.reference - counts.matched} missed, {counts.extra} extra"
    )
    return [
        f"compared on {pictures}",
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
        compared + (", those that lose most:" if worst else ""),
        *(f"  +{100 * layer.added:.1f} % {layer.name}" for layer in worst),
    ]
