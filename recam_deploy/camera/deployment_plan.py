"""Plan a deployment from the artifact and the camera's facts; read and change nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ..artifact import Artifact
from ..cvimodel import ModelFile
from ..documents import parse_json
from .checks import (
    needs_root,
    refuse_full,
    refuse_other_firmware,
    refuse_too_large,
    refuse_unsuitable,
)
from .facts import CameraFacts, KeptModel
from .firmware import version_in
from .model_info import entry_id, info_text, same_info
from .paths import CameraPaths

_NAME_LIMIT = 100  # characters; of the record 4096 bytes are read, and JSON takes 12 for some


@dataclass(frozen=True)
class PlanStep:
    """One change on the camera: the action, the path, and the reason."""

    action: str
    path: str
    reason: str


@dataclass(frozen=True)
class InfoChange:
    """The change of `model.json`.

    `action` is "write" (`text`), "copy" (`source`, a file of the history on the camera), "remove"
    or "leave". `sha256` is that of the file afterwards, None for no file.
    """

    action: str
    sha256: str | None
    text: bytes = b""
    source: PurePosixPath | None = None


@dataclass(frozen=True)
class DeploymentPlan:
    """The steps of a deployment; none when everything is in place.

    The model comes from the local file `model` (`size` bytes), or from the camera's history
    (`restored`), or is active already (both None). `previous` holds id and sha256 of the present
    model; it is None when there is none, or it is unreadable. `keep` is the name under which the
    active model goes into the history, "" when it does not; `kept_as` is the name that it has there
    already. `forget` are the names that are removed there. With `root`, scripts run through sudo,
    since the user may not write to the folders. `switches` says whether another model becomes the
    active one, and `staged` where it lies before that.
    """

    paths: CameraPaths
    facts: CameraFacts
    id: str
    sha256: str
    size: int
    model: ModelFile | None
    restored: KeptModel | None
    info: InfoChange
    keep: str
    kept_as: str
    record: str
    forget: tuple[str, ...]
    root: bool
    previous: tuple[str, str] | None
    switches: bool
    staged: PurePosixPath
    steps: tuple[PlanStep, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the document of `deploy --dry-run`."""
        return {
            "active": str(self.paths.active_model),
            "id": self.id,
            "sha256": self.sha256,
            "previous": self.previous[1] if self.previous else None,
            "upload_bytes": self.size if self.model else 0,
            "locked_by": self.facts.lock or None,
            "steps": [dataclasses.asdict(step) for step in self.steps],
        }


def plan_deployment(
    artifact: Artifact,
    facts: CameraFacts,
    paths: CameraPaths,
    *,
    by: str = "",
    history: int = 3,
    tries: bool = False,
) -> DeploymentPlan:
    """Plan how `artifact` becomes the active model.

    `by` goes into the record; `history` is the number of models to keep; `tries` adds the trial
    before the switch. Raises DeploymentError when it cannot be done: folders that are links or
    read-only, a folder in the way, too little space or TPU memory, a family unknown to the
    firmware. Raises SudoError when the user may not write to the folders and there is no sudo.
    """
    wanted = info_text(artifact)
    text = wanted.encode()
    digest = hashlib.sha256(text).hexdigest()
    # The facts hold only the beginning of a long file, so compare the hash first.
    if facts.info_sha256 == digest or same_info(facts.info, wanted):
        info = InfoChange("leave", facts.info_sha256)
    else:
        info = InfoChange("write", digest, text)
    switches = facts.active_sha256 != artifact.sha256
    restored = _kept(facts, artifact.sha256) if switches else None
    if switches:
        refuse_too_large(artifact, facts)
        refuse_other_firmware(artifact, version_in(facts.firmware))
    return _plan(
        facts,
        paths,
        sha256=artifact.sha256,
        size=artifact.size,
        model=artifact.read() if switches and not restored else None,
        restored=restored,
        info=info,
        who=(artifact.name, by),
        history=history,
        tries=tries,
    )


def plan_rollback(
    facts: CameraFacts,
    paths: CameraPaths,
    target: KeptModel,
    info_sha256: str | None,
    *,
    name: str,
    size: int,
    by: str = "",
    history: int = 3,
    keeps: bool = True,
) -> DeploymentPlan:
    """Plan how a kept model becomes active again, with the `model.json` it had.

    `size` is the kept model's, in bytes. Without `keeps`, the present model does not go into the
    history. Raises as `plan_deployment`
    does.
    """
    if facts.info_sha256 == info_sha256:
        info = InfoChange("leave", info_sha256)
    elif info_sha256 is None:
        info = InfoChange("remove", None)
    else:
        info = InfoChange("copy", info_sha256, source=kept_folder(paths, target) / "model.json")
    return _plan(
        facts,
        paths,
        sha256=target.sha256,
        size=size,
        model=None,
        restored=target if facts.active_sha256 != target.sha256 else None,
        info=info,
        who=(name, by),
        history=history,
        tries=False,
        keeps=keeps,
    )


def kept_folder(paths: CameraPaths, kept: KeptModel) -> PurePosixPath:
    """Return the folder of a kept model and its `model.json`."""
    return paths.history / kept.name


def _plan(
    facts: CameraFacts,
    paths: CameraPaths,
    *,
    sha256: str,
    size: int,
    model: ModelFile | None,
    restored: KeptModel | None,
    info: InfoChange,
    who: tuple[str, str],
    history: int,
    tries: bool,
    keeps: bool = True,
) -> DeploymentPlan:
    target, previous = entry_id(sha256, info.sha256), _previous(facts)
    keep, kept_as = _history_names(facts, target, history) if keeps else ("", "")
    plan = DeploymentPlan(
        paths=paths,
        facts=facts,
        id=target,
        sha256=sha256,
        size=size,
        model=model,
        restored=restored,
        info=info,
        keep=keep,
        kept_as=kept_as,
        record=_record(target, sha256, info.sha256, who),
        forget=_removed_names(facts.kept, keep, kept_as, history),
        root=needs_root(facts),
        previous=previous,
        switches=model is not None or restored is not None,
        staged=paths.staged_model(sha256),
        steps=(),
    )
    changes = plan.switches or info.action != "leave"
    if not changes and recorded_id(facts.record) == target and not plan.forget:
        return plan
    refuse_unsuitable(facts, paths)
    old = _kept_bytes(facts, keep, kept_as)
    refuse_full(facts, new=(size if plan.switches else 0) + len(info.text), old=old)
    return dataclasses.replace(plan, steps=tuple(_steps(plan, tries)))


def bytes_to_keep(facts: CameraFacts, history: int) -> int:
    """Return how many bytes the active model takes in the history when another is deployed."""
    return _kept_bytes(facts, *_history_names(facts, "", history))


def _kept_bytes(facts: CameraFacts, keep: str, kept_as: str) -> int:
    """Return the space for a copy of the active model; a hard link may need none."""
    return facts.active_bytes if keep and not kept_as else 0


def _kept(facts: CameraFacts, sha256: str) -> KeptModel | None:
    return next((kept for kept in facts.kept if kept.sha256 == sha256), None)


def _history_names(facts: CameraFacts, target: str, history: int) -> tuple[str, str]:
    """Return the active model's new name in the history, and the name that it has there."""
    if not facts.active_sha256 or not history or _half_switched(facts):
        return "", ""
    active = entry_id(facts.active_sha256, facts.info_sha256)
    if active == target:
        return "", ""
    order = 1 + max((kept.order for kept in facts.kept), default=0)
    present = next((kept.name for kept in facts.kept if kept.id == active and kept.sha256), "")
    return KeptModel(order, active, facts.active_sha256).name, present


def _previous(facts: CameraFacts) -> tuple[str, str] | None:
    """Return id and sha256 of the present model.

    After an interrupted switch it is the last one kept: the active files do not match then.
    """
    if _half_switched(facts):
        whole = [kept for kept in facts.kept if kept.sha256]
        return (whole[-1].id, whole[-1].sha256) if whole else None
    if not facts.active_sha256:
        return None
    return entry_id(facts.active_sha256, facts.info_sha256), facts.active_sha256


def _removed_names(
    kept: tuple[KeptModel, ...], keep: str, kept_as: str, limit: int
) -> tuple[str, ...]:
    """Return the names to remove from the history: incomplete ones, the oldest over `limit`."""
    whole = [model.name for model in kept if model.sha256 and model.name != kept_as]
    stay = [*whole, *([keep] if keep else [])][-limit:] if limit else []
    return tuple(model.name for model in kept if model.name not in (*stay, kept_as))


def _record(target: str, sha256: str, info_sha256: str | None, who: tuple[str, str]) -> str:
    name, by = (text[:_NAME_LIMIT] for text in who)
    record = {"format": 1, "id": target, "sha256": sha256, "info_sha256": info_sha256}
    return json.dumps(record | {"name": name, "by": by})


def _half_switched(facts: CameraFacts) -> bool:
    """Return whether a switch was interrupted between the model and its `model.json`.

    The two files do not match then, and the model before is in the history already.
    """
    pending = _parsed(facts.pending)
    return (
        pending.get("sha256") == facts.active_sha256
        and pending.get("info_sha256") != facts.info_sha256
    )


def _parsed(record: str) -> dict[str, Any]:
    try:
        found = parse_json(record)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def recorded_id(record: str) -> str | None:
    """Read the id from a record's text; None where there is none."""
    found = _parsed(record).get("id")
    return found if isinstance(found, str) else None


def _steps(plan: DeploymentPlan, tries: bool) -> list[PlanStep]:
    return [*_steps_before_switch(plan, tries), *_steps_of_switch(plan)]


def _steps_before_switch(plan: DeploymentPlan, tries: bool) -> Iterator[PlanStep]:
    """Yield the steps before the active model changes."""
    models, staged = plan.facts.models, str(plan.staged)
    if not models.exists:
        yield PlanStep("make-folder", str(plan.paths.models), "it does not exist")
    if models.leftover_bytes:
        yield PlanStep("clean", str(plan.paths.models), "an earlier run was interrupted")
    if plan.model:
        why = f"{plan.size} bytes, less those that an interrupted run has uploaded"
        yield PlanStep("upload-model", staged, why)
    if plan.restored:
        why = f"{plan.restored.id} of the history is the same model"
        yield PlanStep("restore-model", staged, why)
    if plan.switches and tries:
        yield PlanStep("try-model", staged, "before it becomes the active one")
    if plan.keep:
        why = "so that `recam rollback` can restore it"
        yield PlanStep("keep-model", str(plan.paths.history / plan.keep), why)


def _steps_of_switch(plan: DeploymentPlan) -> Iterator[PlanStep]:
    """Yield the steps that change the active model, and those after them."""
    facts, paths = plan.facts, plan.paths
    if plan.switches:
        why = f"another model is active ({facts.active_sha256[:12]})" if facts.active_sha256 else ""
        why = why or "no readable model is there"
        yield PlanStep("switch-model", str(paths.active_model), why)
    if plan.info.action == "remove":
        yield PlanStep("remove-info", str(paths.active_info), "the model had none")
    elif plan.info.action != "leave":
        why = "class names or the model's checksum differ" if facts.info else "it does not exist"
        yield PlanStep("write-info", str(paths.active_info), why)
    record = str(paths.history / "active.json")
    yield PlanStep("write-record", record, "it names the active model")
    for name in plan.forget:
        why = "it is one of the oldest, or incomplete"
        yield PlanStep("forget-model", str(paths.history / name), why)
