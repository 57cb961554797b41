"""Putting a model in place through the camera's HTTP API, and proving that it is.

The API renames what arrived without checking it, so the model is read back and hashed after. When
it is not what was sent, the one that was active before is sent back.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Any

from ..artifact import Artifact
from ..errors import CameraError, ConnectionFailedError, DeploymentError, InputError
from ..progress import Progress
from .deployment import Deployment
from .model_info import entry_id, info_text, read_unchanged, same_info
from .paths import CameraPaths
from .plan import PlanStep
from .web_api import MODEL_LIMIT, CameraApi


@dataclass(frozen=True)
class HttpPlan:
    """What a deployment over HTTP will do; no steps: all is in place already.

    `before` and `info_before` are the model and the `model.json` that are active now.
    """

    artifact: Artifact
    active: str
    info: str
    before: bytes | None
    info_before: str | None
    steps: tuple[PlanStep, ...]

    @property
    def previous(self) -> str | None:
        """The sha256 of the model that is active now."""
        return None if self.before is None else hashlib.sha256(self.before).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """As `deploy --via http --dry-run` shows it."""
        return {
            "active": self.active,
            "sha256": self.artifact.sha256,
            "previous": self.previous,
            "upload_bytes": self.artifact.size if self.steps else 0,
            "steps": [dataclasses.asdict(step) for step in self.steps],
        }


def plan_http_deployment(
    artifact: Artifact, api: CameraApi, paths: CameraPaths, progress: Progress
) -> HttpPlan:
    """Read what is active, and see what has to be done.

    The API can write `model.json` only together with a model, so both are sent when either
    differs. Raises InputError for a model that is larger than the API could ever give back.
    """
    if artifact.size > MODEL_LIMIT:
        raise InputError(
            f"{artifact.cvimodel} has {artifact.size} bytes, more than a camera can run",
            "Convert a smaller model.",
        )
    info = info_text(artifact)
    with progress.step("Reading the active model"):
        before, info_before = api.model_file(), api.model_info()
    steps = []
    if before is None or hashlib.sha256(before).hexdigest() != artifact.sha256:
        why = "another model is active" if before else "no readable model is there"
        steps.append(PlanStep("switch-model", str(paths.active_model), why))
    if not same_info(info_before, info):
        why = "class names or the model's checksum differ" if info_before else "it does not exist"
        steps.append(PlanStep("write-info", str(paths.active_info), why))
    return HttpPlan(artifact, str(paths.active_model), info, before, info_before, tuple(steps))


def apply_http(plan: HttpPlan, api: CameraApi, progress: Progress) -> Deployment:
    """Carry out a plan.

    Raises DeploymentError when what is in place afterwards is not what was sent: the model before
    is sent back then, as far as there was one.
    """
    artifact = plan.artifact
    if not plan.steps:
        return _deployment(plan, 0, plan.info_before)
    model = read_unchanged(artifact.cvimodel, artifact.sha256)
    with progress.step(f"Uploading {artifact.cvimodel.name}", unit="bytes") as step:
        api.upload(model, plan.info, step)
    with progress.step("Reading it back"):
        there, info = api.model_file(), api.model_info()
    if there != model or not same_info(info, plan.info):
        raise _put_back(plan, api, progress)
    return _deployment(plan, len(model), info)


def _deployment(plan: HttpPlan, uploaded: int, info: str | None) -> Deployment:
    """What is in place; a model that is deployed over HTTP is not tried, and not in the history.

    `info` is the text of its `model.json` there.
    """
    digest = None if info is None else hashlib.sha256(info.encode()).hexdigest()
    return Deployment(
        active=plan.active,
        id=entry_id(plan.artifact.sha256, digest),
        sha256=plan.artifact.sha256,
        uploaded_bytes=uploaded,
        previous=plan.previous,
        previous_id=None,
        changed=bool(plan.steps),
        tried=None,
    )


def _put_back(plan: HttpPlan, api: CameraApi, progress: Progress) -> DeploymentError:
    """Send the model before again; the error that tells how that went."""
    message = "what the camera has now is not what was sent (its sha256 differs)"
    if plan.before is None:
        return DeploymentError(
            f"{message}, and there was no model before", "Run the command again."
        )
    info = plan.info_before or "{}"
    try:
        with progress.step("Putting the model before back", unit="bytes") as step:
            api.upload(plan.before, info, step)
        restored = api.model_file() == plan.before and api.model_info() == info
    except ConnectionFailedError:
        raise
    except CameraError:
        restored = False
    after = (
        "the model that was active before is in place again"
        if restored
        else "and the model before could not be put back"
    )
    return DeploymentError(
        f"{message}; {after}", "Run the command again; if it happens again, deploy over SSH."
    )
