"""What a finished cvimodel is, as a value."""

from __future__ import annotations

from pathlib import Path

from .. import cvimodel
from ..artifact import Artifact, TensorInfo, sha256_of
from ..files import stem_of
from ..step_cache import StepCache
from .commands import CVIMODEL_FILE
from .plan import ConversionPlan


def described(plan: ConversionPlan, path: Path, layout: cvimodel.CviModel) -> Artifact:
    """The cvimodel at `path`, made by this plan; it has no manifest yet."""
    network = plan.network
    return Artifact(
        cvimodel=path,
        manifest=None,
        name=stem_of(network.path),
        sha256=sha256_of(path),
        size=path.stat().st_size,
        chip=layout.header.chip,
        labels=network.labels,
        family=network.family,
        quantization=plan.quantization,
        input_size=(network.input.height, network.input.width),
        outputs=tuple(TensorInfo(t.name, t.shape, t.dtype) for t in layout.outputs),
    )


def finished_before(plan: ConversionPlan, cache_dir: Path) -> Artifact | None:
    """The cvimodel of this plan that an earlier run has made; None when there is none.

    Whether it is close enough to the float model is not looked at.
    """
    folder = StepCache(cache_dir / "steps").find(plan.compile.key)
    if folder is None:
        return None
    path = folder / CVIMODEL_FILE
    return described(plan, path, cvimodel.read_model(path))
