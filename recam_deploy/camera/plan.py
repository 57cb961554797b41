"""What a deployment will do, computed from the artifact and the facts of the camera alone."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..artifact import Artifact
from .checks import refuse_full, refuse_too_large, refuse_unfit
from .facts import CameraFacts, KeptModel
from .model_info import entry_id, info_text, same_info
from .paths import CameraPaths

_NAME_LIMIT = 100  # characters; of the record 4096 bytes are read, and JSON takes 12 for some


@dataclass(frozen=True)
class PlanStep:
    """One thing that will be done, to what, and why."""

    action: str
    path: str
    reason: str


@dataclass(frozen=True)
class InfoChange:
    """What happens to `model.json`: "write" `text`, "copy" `source` (a file of the history on the
    camera), "remove" or "leave" it. `sha256` is of the file as it will be, None for none."""

    action: str
    sha256: str | None
    text: bytes = b""
    source: PurePosixPath | None = None


@dataclass(frozen=True)
class DeploymentPlan:
    """What a deployment will do. No steps: all is in place already.

    The model comes from the file `model` here (`size` bytes), or from the history there
    (`restored`), or is in place (both None). `keep` is the name under which the active one goes
    into the history, "" when it does not, and `kept_as` the name that it has there already.
    `forget` names what is removed there. `root` says that the folders are not ours to write to, so
    that everything goes through sudo.
    """

    paths: CameraPaths
    facts: CameraFacts
    id: str
    sha256: str
    size: int
    model: Path | None
    restored: KeptModel | None
    info: InfoChange
    keep: str
    kept_as: str
    record: str
    forget: tuple[str, ...]
    root: bool
    steps: tuple[PlanStep, ...]

    @property
    def switches(self) -> bool:
        """Whether another model becomes the active one."""
        return self.model is not None or self.restored is not None

    @property
    def staged(self) -> PurePosixPath:
        """Where the new model lies on the camera before the switch."""
        return self.paths.staged_model(self.sha256)

    @property
    def previous(self) -> tuple[str, str] | None:
        """Id and sha256 of the model that is active now; None when there is none, or none readable.

        After a switch that was cut off it is the last one kept: what is active now was never whole.
        """
        facts = self.facts
        if _half_switched(facts):
            whole = [kept for kept in facts.kept if kept.sha256]
            return (whole[-1].id, whole[-1].sha256) if whole else None
        if not facts.active_sha256:
            return None
        return entry_id(facts.active_sha256, facts.info_sha256), facts.active_sha256

    def as_json(self) -> dict[str, Any]:
        """As `deploy --dry-run` shows it."""
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
    """What is to be done, from what there is.

    `by` is who does it, for the record; `history` how many models are kept; `tries` whether the
    model is run on the camera before the switch. Raises DeploymentError when it cannot be done:
    folders that are links or read-only, something in the way, not enough space or TPU memory.
    """
    wanted = info_text(artifact)
    text = wanted.encode()
    digest = hashlib.sha256(text).hexdigest()
    # The facts hold no more than the beginning of a very long one: its hash tells then.
    if facts.info_sha256 == digest or same_info(facts.info, wanted):
        info = InfoChange("leave", facts.info_sha256)
    else:
        info = InfoChange("write", digest, text)
    moves = facts.active_sha256 != artifact.sha256
    restored = _kept(facts, artifact.sha256) if moves else None
    if moves:
        refuse_too_large(artifact, facts)
    return _plan(
        facts,
        paths,
        sha256=artifact.sha256,
        size=artifact.size,
        model=artifact.cvimodel if moves and not restored else None,
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
    by: str = "",
    history: int = 3,
    keeps: bool = True,
) -> DeploymentPlan:
    """How a kept model becomes the active one again, with the `model.json` it had.

    Without `keeps`, the one that is active now is not kept in its turn. Raises DeploymentError as
    `plan_deployment` does.
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
        size=0,
        model=None,
        restored=target if facts.active_sha256 != target.sha256 else None,
        info=info,
        who=(name, by),
        history=history,
        tries=False,
        keeps=keeps,
    )


def kept_folder(paths: CameraPaths, kept: KeptModel) -> PurePosixPath:
    """Where a kept model and its `model.json` lie."""
    return paths.history / kept.name


def _plan(
    facts: CameraFacts,
    paths: CameraPaths,
    *,
    sha256: str,
    size: int,
    model: Path | None,
    restored: KeptModel | None,
    info: InfoChange,
    who: tuple[str, str],
    history: int,
    tries: bool,
    keeps: bool = True,
) -> DeploymentPlan:
    target = entry_id(sha256, info.sha256)
    keep, kept_as = _keeping(facts, target, history) if keeps else ("", "")
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
        forget=_forgotten(facts.kept, keep, kept_as, history),
        root=facts.uid != 0 and not (facts.models.writable and facts.history.writable),
        steps=(),
    )
    changes = plan.switches or info.action != "leave"
    if not changes and recorded_id(facts.record) == target and not plan.forget:
        return plan
    refuse_unfit(facts, paths)
    # Where the model is switched, the file system may keep the old one as a second name instead.
    old = facts.active_bytes if plan.keep and not plan.kept_as else 0
    refuse_full(facts, new=(size if plan.switches else 0) + len(info.text), old=old)
    return dataclasses.replace(plan, steps=tuple(_steps(plan, tries)))


def _kept(facts: CameraFacts, sha256: str) -> KeptModel | None:
    return next((kept for kept in facts.kept if kept.sha256 == sha256), None)


def _keeping(facts: CameraFacts, target: str, history: int) -> tuple[str, str]:
    """The new name of the active model in the history, and the one that it has there."""
    if not facts.active_sha256 or not history or _half_switched(facts):
        return "", ""
    active = entry_id(facts.active_sha256, facts.info_sha256)
    if active == target:
        return "", ""
    order = 1 + max((kept.order for kept in facts.kept), default=0)
    there = next((kept.name for kept in facts.kept if kept.id == active and kept.sha256), "")
    return KeptModel(order, active, facts.active_sha256).name, there


def _forgotten(kept: tuple[KeptModel, ...], keep: str, kept_as: str, limit: int) -> tuple[str, ...]:
    """The names in the history that go: those that are not whole, and the oldest over `limit`."""
    whole = [model.name for model in kept if model.sha256 and model.name != kept_as]
    stay = [*whole, *([keep] if keep else [])][-limit:] if limit else []
    return tuple(model.name for model in kept if model.name not in (*stay, kept_as))


def _record(target: str, sha256: str, info_sha256: str | None, who: tuple[str, str]) -> str:
    name, by = (text[:_NAME_LIMIT] for text in who)
    record = {"format": 1, "id": target, "sha256": sha256, "info_sha256": info_sha256}
    return json.dumps(record | {"name": name, "by": by})


def _half_switched(facts: CameraFacts) -> bool:
    """Whether a switch was cut off between the model and its `model.json`: then the two do not
    belong together, and the model before is in the history already."""
    meant = _parsed(facts.pending)
    return (
        meant.get("sha256") == facts.active_sha256 and meant.get("info_sha256") != facts.info_sha256
    )


def _parsed(record: str) -> dict[str, Any]:
    try:
        found = json.loads(record)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def recorded_id(record: str) -> str | None:
    """The id in a record's text; None for what is no record."""
    found = _parsed(record).get("id")
    return found if isinstance(found, str) else None


def _steps(plan: DeploymentPlan, tries: bool) -> list[PlanStep]:
    return [*_bringing(plan, tries), *_switching(plan)]


def _bringing(plan: DeploymentPlan, tries: bool) -> Iterator[PlanStep]:
    """All that is done before the active model changes."""
    models, staged = plan.facts.models, str(plan.staged)
    if not models.exists:
        yield PlanStep("make-folder", str(plan.paths.models), "it does not exist")
    if models.leftover_bytes:
        yield PlanStep("clean", str(plan.paths.models), "an earlier run was cut off")
    if plan.model:
        why = f"{plan.size} bytes, less what an earlier run has brought"
        yield PlanStep("upload-model", staged, why)
    if plan.restored:
        why = f"{plan.restored.id} of the history is the same model"
        yield PlanStep("restore-model", staged, why)
    if plan.switches and tries:
        yield PlanStep("try-model", staged, "before it becomes the active one")
    if plan.keep:
        why = "so that `recam rollback` can bring it back"
        yield PlanStep("keep-model", str(plan.paths.history / plan.keep), why)


def _switching(plan: DeploymentPlan) -> Iterator[PlanStep]:
    """The changes themselves, and what follows them."""
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
    yield PlanStep("write-record", record, "it names what is active")
    for name in plan.forget:
        why = "it is one of the oldest, or not whole"
        yield PlanStep("forget-model", str(paths.history / name), why)
