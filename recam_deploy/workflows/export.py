"""Get the ONNX model to convert: the user's own, or one exported from another framework."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..conversion.from_settings import read_pictures
from ..errors import ConsentError
from ..frameworks import Exported, Exporter, ExportPlan, plan_export, recognise
from ..interaction import Interaction
from ..settings import Settings
from .convert import find_compiler, step_cache


@dataclass(frozen=True)
class Source:
    """The ONNX model to convert, and the export that made it, if any."""

    onnx: Path
    export: Exported | None = None


def as_onnx(
    settings: Settings,
    interaction: Interaction,
    model: Path,
    weights: Path | None = None,
    *,
    trust: bool = False,
) -> Source:
    """Export `model` to ONNX if it is of another framework.

    A file that can run code is loaded only with consent: `trust`, or a yes. The calibration
    pictures are checked first, as an export may take minutes. Raises ConsentError, InputError or
    ExportError.
    """
    plan = _plan(settings, model, weights)
    if plan is None:
        return Source(model)
    exporter = _exporter(settings, interaction)
    if not exporter.is_done(plan):
        read_pictures(settings.convert, step_cache(settings), interaction)
        if plan.model.runs_code and not trust:
            _ask(interaction, plan)
    exported = exporter.export(plan)
    return Source(exported.onnx, exported)


def missing_export(
    settings: Settings, interaction: Interaction, model: Path, weights: Path | None = None
) -> ExportPlan | None:
    """Return the export that must run first; None without one, or when an earlier run did it."""
    plan = _plan(settings, model, weights)
    if plan is None or _exporter(settings, interaction).is_done(plan):
        return None
    return plan


def _plan(settings: Settings, model: Path, weights: Path | None) -> ExportPlan | None:
    foreign = recognise(model, weights)
    return plan_export(foreign, settings.convert.imgsz) if foreign else None


def _exporter(settings: Settings, interaction: Interaction) -> Exporter:
    cache_dir, toolchain = settings.cache_dir, settings.general.toolchain
    return Exporter(
        cache_dir, lambda: find_compiler(toolchain, cache_dir, interaction), interaction
    )


def _ask(interaction: Interaction, plan: ExportPlan) -> None:
    """Ask for consent to load the file. Raises ConsentError without it."""
    warning = (
        f"{plan.model.path.name} is {plan.title}: loading it can run any code in it, with your "
        "rights; load only files from someone you trust"
    )
    if interaction.confirm(f"{warning}.\nLoad it?"):
        return
    raise ConsentError(
        warning,
        "Allow it with --trust-model, or give the model as ONNX, which holds no code.",
    )
