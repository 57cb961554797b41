"""Deploy a model through the camera's HTTP API, and verify it afterwards.

The API does not check what it received. So the model is read back and compared; when it differs,
the one that was active before is uploaded again.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Any

from ..artifact import Artifact
from ..errors import CameraError, ConnectionFailedError, DeploymentError, InputError
from ..progress import Progress
from .checks import refuse_other_firmware
from .deployment import Deployment
from .deployment_plan import PlanStep
from .model_info import entry_id, info_text, same_info
from .paths import CameraPaths
from .web_api import MODEL_LIMIT, CameraApi


@dataclass(frozen=True)
class HttpPlan:
    """The steps of a deployment over HTTP; none when everything is in place.

    `before` and `info_before` are the active model and its `model.json`; None where there is none.
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
        """Return the document of `deploy --via http --dry-run`."""
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
    """Read the active model and plan the deployment.

    The API can write `model.json` only together with a model, so both are sent when either
    differs. Raises InputError for a model larger than MODEL_LIMIT, which could not be read back;
    DeploymentError for one that needs another firmware.
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
        refuse_other_firmware(artifact, api.device().version)
    if not same_info(info_before, info):
        why = "class names or the model's checksum differ" if info_before else "it does not exist"
        steps.append(PlanStep("write-info", str(paths.active_info), why))
    return HttpPlan(artifact, str(paths.active_model), info, before, info_before, tuple(steps))


def apply_http(plan: HttpPlan, api: CameraApi, progress: Progress) -> Deployment:
    """Execute a plan.

    Raises DeploymentError when the active model is not the one that was sent; the model before is
    uploaded again then.
    """
    artifact = plan.artifact
    if not plan.steps:
        return _deployment(plan, 0, plan.info_before)
    model = artifact.read().data
    with progress.step(f"Uploading {artifact.cvimodel.name}", unit="bytes") as step:
        api.upload(model, plan.info, step)
    with progress.step("Reading it back"):
        active, info = api.model_file(), api.model_info()
    if active != model or not same_info(info, plan.info):
        raise _restore_before(plan, api, progress)
    return _deployment(plan, len(model), info)


def _deployment(plan: HttpPlan, uploaded: int, info: str | None) -> Deployment:
    """Return the deployment; over HTTP there is no trial and no history.

    `info` is the text of `model.json` on the camera.
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
        trial=None,
    )


def _restore_before(plan: HttpPlan, api: CameraApi, progress: Progress) -> DeploymentError:
    """Upload the model before again; return the error that says whether it worked."""
    message = "the camera's model is not the one that was sent (its sha256 differs)"
    if plan.before is None:
        return DeploymentError(
            f"{message}, and there was no model before", "Run the command again."
        )
    info = plan.info_before or "{}"
    try:
        with progress.step("Restoring the model before", unit="bytes") as step:
            api.upload(plan.before, info, step)
        restored = api.model_file() == plan.before and api.model_info() == info
    except ConnectionFailedError:
        raise
    except CameraError:
        restored = False
    after = (
        "the model before is active again" if restored else "the model before could not be restored"
    )
    return DeploymentError(
        f"{message}; {after}", "Run the command again; if it happens again, deploy over SSH."
    )
