"""Where commands take a model: ONNX as it is, other frameworks' through an export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConsentError

if TYPE_CHECKING:
    from ..frameworks import Exported, Exporter, ExportPlan
    from ..settings import Settings
    from ..terminal import Terminal

_PANEL = "Other frameworks"

Weights = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.caffemodel",
        help="The weights of a .prototxt. (default: the file of that name beside it)",
        rich_help_panel=_PANEL,
    ),
]
ImageSize = Annotated[
    str | None,
    typer.Option(
        "--imgsz",
        metavar="SIZE|H,W",
        help="The input's size of a PyTorch model, in pixels. (default: the one that an "
        "Ultralytics model was trained with)",
        rich_help_panel=_PANEL,
    ),
]
TrustModel = Annotated[
    bool,
    typer.Option(
        "--trust-model",
        help="Load a PyTorch file without asking. Loading it can run any code that it carries, "
        "with your rights.",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True)
class ExportFlags:
    """The flags for models of other frameworks; see `groups.grouped`."""

    weights: Weights = None
    imgsz: ImageSize = None
    trust_model: TrustModel = False

    def over(self, settings: Settings) -> Settings:
        """The settings with these flags over them."""
        return settings.with_flags(convert={"imgsz": self.imgsz})


@dataclass(frozen=True)
class Source:
    """The ONNX model to convert, and the export that it comes from, if it was not the user's."""

    onnx: Path
    export: Exported | None = None


def as_onnx(settings: Settings, terminal: Terminal, model: Path, flags: ExportFlags) -> Source:
    """The ONNX model to convert, exported now if `model` is of another framework.

    What can run code of its own is loaded only with consent, by a flag or on the terminal. As an
    export may take minutes, the calibration pictures are looked for before it.
    """
    from ..conversion.from_settings import read_pictures

    plan = _plan(settings, model, flags)
    if plan is None:
        return Source(model)
    exporter = _exporter(settings, terminal)
    if not exporter.is_done(plan):
        read_pictures(settings.convert)
        if plan.model.runs_code and not flags.trust_model:
            _ask(terminal, plan)
    exported = exporter.export(plan)
    return Source(exported.onnx, exported)


def tell_missing_export(
    settings: Settings, terminal: Terminal, model: Path, flags: ExportFlags
) -> bool:
    """For a dry run: print the export that would have to be run first, if any; whether there is."""
    plan = _plan(settings, model, flags)
    if plan is None or _exporter(settings, terminal).is_done(plan):
        return False
    export = plan.display()
    terminal.warn("what follows depends on the exported model, which is not there yet")
    terminal.result({"commands": [export], "exported": False}, [export])
    return True


def _plan(settings: Settings, model: Path, flags: ExportFlags) -> ExportPlan | None:
    from ..frameworks import plan_export, recognise

    foreign = recognise(model, flags.weights)
    return plan_export(foreign, settings.convert.imgsz) if foreign else None


def _exporter(settings: Settings, terminal: Terminal) -> Exporter:
    from ..frameworks import Exporter
    from .actions import find_compiler

    return Exporter(settings.cache_dir, lambda: find_compiler(settings, terminal), terminal)


def _ask(terminal: Terminal, plan: ExportPlan) -> None:
    """Say what loading the file means. Raises ConsentError unless a person agrees."""
    said = (
        f"{plan.model.path.name} is {plan.title}: loading it can run any code that it carries, "
        "with your rights; load only files whose maker you trust"
    )
    if terminal.may_ask and typer.confirm(f"{said}.\nLoad it?", err=True):
        return
    raise ConsentError(
        said, "Say that you trust it with --trust-model, or give the model as ONNX, which is data."
    )
