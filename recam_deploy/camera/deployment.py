"""Putting a model in place: a plan as data, then a thin layer that carries it out.

The new files are written beside the old ones under names of ours, checked by sha256 on the
camera, and renamed: what the camera would load is the old model or the new one, never a part.
The model is renamed before its `model.json`. A run that was cut off between the two is mended by
the next one, which finds the model in place and writes only the JSON; until then the JSON's
`checksum` tells that it belongs to another model.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from .. import cvimodel
from ..artifact import Artifact
from ..errors import (
    CameraError,
    ConnectionFailedError,
    DeploymentError,
    InputError,
    SudoError,
)
from ..progress import Progress
from .facts import CameraFacts
from .layout import CameraLayout
from .quoting import RemoteCommand
from .remote import Remote
from .scripts import CLEAN, INSTALL, INSTALL_DAMAGED, INSTALL_IN_THE_WAY
from .work import make_work_folder

RESERVE_BYTES = 50_000_000  # kept free: a full /userdata breaks the camera's own system


@dataclass(frozen=True)
class PlanStep:
    """One thing that will be done, to what, and why."""

    action: str
    path: str
    reason: str


@dataclass(frozen=True)
class DeploymentPlan:
    """What a deployment will do. No steps: all is in place already.

    `info` is the text of the new `model.json`; `root` says that the models folder is not ours to
    write to, so that files go through the work folder and sudo.
    """

    layout: CameraLayout
    facts: CameraFacts
    model: Path
    sha256: str
    size: int
    info: str
    upload: bool
    write_info: bool
    root: bool
    steps: tuple[PlanStep, ...]

    def as_json(self) -> dict[str, Any]:
        """As `deploy --dry-run` shows it."""
        return {
            "active": str(self.layout.active_model),
            "sha256": self.sha256,
            "previous": self.facts.active_sha256 or None,
            "upload_bytes": self.size if self.upload else 0,
            "steps": [dataclasses.asdict(step) for step in self.steps],
        }


@dataclass(frozen=True)
class Deployment:
    """What is in place now. `previous` is the sha256 of the model before, None for no model."""

    active: str
    sha256: str
    uploaded_bytes: int
    previous: str | None

    def as_json(self) -> dict[str, Any]:
        """As `deploy --json` shows it."""
        return dataclasses.asdict(self)


def check_artifact(artifact: Artifact) -> None:
    """Refuse, before connecting, what the camera could never run. Raises InputError."""
    if artifact.chip != cvimodel.CHIP:
        raise InputError(
            f"{artifact.cvimodel} is for the chip {artifact.chip or '(none named)'}; "
            f"a reCamera's is {cvimodel.CHIP}",
            f"Convert the model for {cvimodel.CHIP}: `recam convert` does.",
        )


def model_info(artifact: Artifact) -> dict[str, Any]:
    """The `model.json` of an artifact.

    Its fields, with the spelling of `ai_framwork`, are those of the camera's own presets
    (sscma-example-sg200x, solutions/supervisor/rootfs/usr/share/supervisor/models); `checksum` is
    the md5 of the cvimodel. Raises InputError when the cvimodel cannot be read.
    """
    checksum = hashlib.md5(_read(artifact.cvimodel), usedforsecurity=False).hexdigest()
    return {
        "model_id": f"recam-{artifact.sha256[:12]}",
        "version": "1.0.0",
        "model_name": artifact.name,
        "model_format": "cvimodel",
        "ai_framwork": "6",
        "author": "recam-deploy",
        "description": " ".join(
            word for word in (artifact.family, artifact.quantization, artifact.chip) if word
        ),
        "pic_url": "",
        "classes": list(artifact.labels),
        "checksum": checksum,
    }


def plan_deployment(artifact: Artifact, facts: CameraFacts, layout: CameraLayout) -> DeploymentPlan:
    """What is to be done, from what there is.

    Raises DeploymentError when it cannot be done: folders that are links or read-only, something
    in the way, not enough space.
    """
    info = model_info(artifact)
    upload = facts.active_sha256 != artifact.sha256
    write_info = not _same_info(facts.info, info)
    text = json.dumps(info, indent=4, ensure_ascii=False) + "\n"
    plan = DeploymentPlan(
        layout=layout,
        facts=facts,
        model=artifact.cvimodel,
        sha256=artifact.sha256,
        size=artifact.size,
        info=text,
        upload=upload,
        write_info=write_info,
        root=not facts.models.writable and facts.uid != 0,
        steps=(),
    )
    if not upload and not write_info:
        return plan
    _refuse_unfit(plan)
    _refuse_full(plan)
    return dataclasses.replace(plan, steps=tuple(_steps(plan)))


def _same_info(text: str | None, info: dict[str, Any]) -> bool:
    try:
        return text is not None and bool(json.loads(text) == info)
    except (ValueError, RecursionError):
        return False


def _refuse_unfit(plan: DeploymentPlan) -> None:
    facts, layout = plan.facts, plan.layout
    used = [(layout.models, facts.models)] + ([(layout.work, facts.work)] if plan.root else [])
    for path, folder in used:
        if folder.is_link:
            raise DeploymentError(
                f"{path} on the camera is a symbolic link; recam does not write through it",
                "Set camera.models (or camera.work) to the folder itself.",
            )
        if folder.read_only:
            raise DeploymentError(
                f"{path} on the camera is on a read-only file system ({folder.mount})",
                "Restart the camera; if that does not help, its storage needs repair.",
            )
    if facts.active_is_folder:
        raise DeploymentError(
            f"{layout.active_model} on the camera is a folder", "Move it away, and deploy again."
        )
    if not facts.has_sha256sum and not facts.has_python3:
        raise DeploymentError(
            "the camera has neither sha256sum nor python3, so no upload could be checked",
            "Update the camera's firmware.",
        )


def _refuse_full(plan: DeploymentPlan) -> None:
    size = (plan.size if plan.upload else 0) + len(plan.info.encode())
    models, work = plan.facts.models, plan.facts.work
    shared = models.mount == work.mount
    places = [(models, size * 2 if plan.root and shared else size)]
    if plan.root and not shared:
        places.append((work, size))
    reclaimed = models.leftover_bytes + (work.leftover_bytes if shared else 0)
    for folder, bytes_here in places:
        free = folder.free + (reclaimed if folder is models else folder.leftover_bytes)
        needed = bytes_here + RESERVE_BYTES
        if free < needed:
            raise DeploymentError(
                f"not enough space on the camera: {_mb(free)} free on {folder.mount}, "
                f"{_mb(needed)} needed ({_mb(RESERVE_BYTES)} of it to stay free)",
                "Remove recordings or old models there.",
            )


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _steps(plan: DeploymentPlan) -> list[PlanStep]:
    facts, layout = plan.facts, plan.layout
    steps = []
    if not facts.models.exists:
        steps.append(PlanStep("make-folder", str(layout.models), "it does not exist"))
    if plan.root:
        why = f"{layout.models} belongs to user {facts.models.owner}, so sudo copies from here"
        steps.append(PlanStep("stage", str(layout.work), why))
    if facts.models.leftover_bytes or facts.work.leftover_bytes:
        steps.append(PlanStep("clean", str(layout.models), "an earlier run was cut off"))
    if plan.upload:
        why = f"another model is active ({facts.active_sha256[:12]})" if facts.active_sha256 else ""
        steps.append(
            PlanStep("switch-model", str(layout.active_model), why or "no readable model is there")
        )
    if plan.write_info:
        why = "class names or the model's checksum differ" if facts.info else "it does not exist"
        steps.append(PlanStep("write-info", str(layout.active_info), why))
    return steps


def apply(plan: DeploymentPlan, remote: Remote, progress: Progress) -> Deployment:
    """Carry out a plan.

    Raises DeploymentError when the camera cannot do it (what was active before still is),
    SudoError, ConnectionFailedError, or InputError when the artifact has changed meanwhile.
    """
    layout = plan.layout
    previous = plan.facts.active_sha256 or None
    if not plan.steps:
        return Deployment(str(layout.active_model), plan.sha256, 0, previous)
    model = _read(plan.model) if plan.upload else b""
    if plan.upload and hashlib.sha256(model).hexdigest() != plan.sha256:
        raise InputError(f"{plan.model} has changed since it was read", "Deploy it again.")
    try:
        _prepare(plan, remote)
        sent = _upload(plan, remote, model, progress)
        _install(plan, remote, progress)
    except ConnectionFailedError:
        raise
    except CameraError as error:
        with contextlib.suppress(CameraError):
            _clean(plan, remote)
        if isinstance(error, (DeploymentError, SudoError)):
            raise
        raise DeploymentError(_with_space(error.message, plan), error.hint) from error
    return Deployment(str(layout.active_model), plan.sha256, sent, previous)


def _with_space(message: str, plan: DeploymentPlan) -> str:
    if "No space left" not in message:
        return message
    return (
        f"{message}; {_mb(plan.facts.models.free)} were free before, and {_mb(plan.size)} are "
        "needed; the model that was active still is"
    )


def _prepare(plan: DeploymentPlan, remote: Remote) -> None:
    if plan.root:
        make_work_folder(remote, plan.facts, plan.layout)
    if not plan.facts.models.exists:
        command = RemoteCommand.of("mkdir", "-p", "-m", "755", "--", plan.layout.models)
        remote.sudo(command) if plan.root else remote.run(command)
    _clean(plan, remote)


def _clean(plan: DeploymentPlan, remote: Remote) -> None:
    """Remove what this or an earlier run left behind, before the switch."""
    models = RemoteCommand.script(CLEAN, plan.layout.models)
    if plan.root:
        remote.run(RemoteCommand.script(CLEAN, plan.layout.work))
        remote.sudo(models)
    else:
        remote.run(models)


def _upload(plan: DeploymentPlan, remote: Remote, model: bytes, progress: Progress) -> int:
    """Write the new files where they are staged; returns the number of bytes sent."""
    sent = 0
    if plan.upload:
        path = plan.layout.staged_model(plan.sha256)
        with progress.step(f"Uploading {plan.model.name}", unit="bytes") as step:
            sent += remote.upload(model, _staging(plan, path), step=step)
    if plan.write_info:
        path = plan.layout.staged_info(plan.sha256)
        sent += remote.upload(plan.info.encode(), _staging(plan, path))
    return sent


def _staging(plan: DeploymentPlan, path: PurePosixPath) -> PurePosixPath:
    return plan.layout.in_work(path) if plan.root else path


def _install(plan: DeploymentPlan, remote: Remote, progress: Progress) -> None:
    model = plan.layout.staged_model(plan.sha256)
    info = plan.layout.staged_info(plan.sha256)
    info_sha256 = hashlib.sha256(plan.info.encode()).hexdigest()
    command = RemoteCommand.script(
        INSTALL,
        plan.layout.models,
        *((_staging(plan, model), model, plan.sha256) if plan.upload else ("", "", "")),
        *((_staging(plan, info), info, info_sha256) if plan.write_info else ("", "", "")),
    )
    with progress.step("Checking and switching on the camera"):
        act = remote.sudo if plan.root else remote.run
        result = act(command, timeout=120, check=False)
    if result.exit_status == INSTALL_DAMAGED:
        raise DeploymentError(
            "the upload arrived damaged (its sha256 differs); the model was not switched",
            "Run the command again; if it happens again, check the cable and the storage.",
        )
    if result.exit_status == INSTALL_IN_THE_WAY:
        raise DeploymentError(
            f"a folder is in the way on the camera: {result.tail()}", "Move it away, and try again."
        )
    if not result.ok:
        raise DeploymentError(
            f"the model could not be put in place: {result.tail() or 'no reason was given'}",
            "Run the command again; what is in place is looked at first.",
        )
    if f"active {plan.sha256}" not in result.stdout.splitlines():
        raise DeploymentError(
            "the camera's active model is not the one that was just put in place",
            "Someone else may be deploying at the same time; run the command again.",
        )
    if plan.root:
        remote.run(RemoteCommand.script(CLEAN, plan.layout.work))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}", "Check the path."
        ) from error
