"""Describe a finished cvimodel as an artifact."""

from __future__ import annotations

from pathlib import Path

from ..artifact import Artifact, TensorInfo
from ..cvimodel import ModelFile, read_file
from ..files import stem_of
from ..step_cache import StepCache
from .commands import CVIMODEL_FILE
from .plan import ConversionPlan


def artifact_of(plan: ConversionPlan, file: ModelFile) -> Artifact:
    """Return the artifact for a cvimodel that this plan has made; it has no manifest yet."""
    network = plan.network
    return Artifact(
        cvimodel=file.path,
        manifest=None,
        name=stem_of(network.path),
        sha256=file.sha256,
        size=len(file.data),
        chip=file.header.chip,
        labels=network.labels,
        family=network.family,
        quantization=plan.quantization,
        input_size=(network.input.height, network.input.width),
        outputs=tuple(TensorInfo(t.name, t.shape, t.dtype) for t in file.layout.outputs),
        file=file,
    )


def find_finished(plan: ConversionPlan, cache_dir: Path) -> Artifact | None:
    """Find the cvimodel of this plan in the cache; None when it is not there.

    Its agreement with the float model is not checked.
    """
    folder = StepCache(cache_dir / "steps").find(plan.compile.key)
    if folder is None:
        return None
    return artifact_of(plan, read_file(folder / CVIMODEL_FILE))
