"""List the models that were active on a camera, and make one of them active again.

The active model is identified by its files, never by the record, so that the answer is right after
an interrupted run or another program's changes.
"""

from __future__ import annotations

import re
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..cvimodel import CviModel, read_model
from ..documents import parse_json
from ..errors import CameraError, InputError, RecamError
from ..measured import Measured
from ..network.model import FAMILIES
from ..progress import Progress
from ..ssh.command import RemoteCommand
from ..ssh.connection import Connection
from .deployment import Deployment, apply
from .deployment_plan import DeploymentPlan, plan_rollback, recorded_id
from .facts import INFO_LIMIT, CameraFacts, KeptModel, gather_facts
from .lock import Lock, default_owner
from .model_info import AUTHOR, REJECTED, entry_id
from .paths import CameraPaths

_MODEL_LIMIT = 64 << 20  # more than the TPU's memory holds


@dataclass(frozen=True)
class HistoryEntry:
    """A model with its `model.json`; `kept` is None when it is active and not in the history.

    `labels`, `name`, `family`, `rejected` and `accuracy` come from its `model.json`, whose hash is
    `info_sha256`. `family` is "" for a model that recam did not convert, `rejected` says that it
    failed the check of its conversion, `accuracy` is what `recam evaluate` measured before it was
    deployed. `size` is in bytes.
    """

    id: str
    sha256: str
    name: str
    labels: tuple[str, ...]
    info_sha256: str | None
    kept: KeptModel | None
    family: str = ""
    rejected: bool = False
    size: int = 0
    accuracy: Measured | None = None

    def as_json(self) -> dict[str, Any]:
        """Return its object in `history --json`."""
        return {
            "id": self.id,
            "sha256": self.sha256,
            "name": self.name,
            "labels": list(self.labels),
            "accuracy": self.accuracy.as_json() if self.accuracy else None,
        }


@dataclass(frozen=True)
class History:
    """The models on a camera: `entries`, the active one first, then newest first.

    `active` is its id. `by` is who deployed it; "" where another program did.
    """

    active: str | None
    entries: tuple[HistoryEntry, ...]
    by: str
    facts: CameraFacts

    def as_json(self) -> dict[str, Any]:
        """Return its object in `history --json`."""
        return {"active": self.active, "entries": [entry.as_json() for entry in self.entries]}

    def choose(self, wanted: str | None) -> HistoryEntry:
        """Return the entry whose id or sha256 begins with `wanted`; by default the previous one.

        Raises InputError when none or several match.
        """
        others = [entry for entry in self.entries if entry.id != self.active and entry.kept]
        if wanted is None:
            if others:
                return others[0]
            raise InputError(
                "no earlier model is kept on the camera", "`recam history` shows what there is."
            )
        found = [
            entry
            for entry in self.entries
            if wanted and (entry.id.startswith(wanted) or entry.sha256.startswith(wanted))
        ]
        if len(found) == 1:
            return found[0]
        known = ", ".join(entry.id for entry in others) or "none"
        problem = "matches several models" if found else "is not on the camera"
        raise InputError(f"the model {wanted!r} {problem}; kept are {known}", "Give one of these.")


def read_history(connection: Connection, paths: CameraPaths) -> History:
    """Read the history from the camera. Raises CameraError for an incomplete answer."""
    facts = gather_facts(connection, paths)
    nonce = f"recam-{secrets.token_hex(8)}"
    command = RemoteCommand.script("list_history", paths.history, nonce, str(INFO_LIMIT))
    result = connection.run(command, timeout=60, check=False)
    return parse_history(result.stdout, nonce, facts)


def read_kept(connection: Connection, paths: CameraPaths, entry: HistoryEntry) -> CviModel:
    """Download a model of the history and read its layout.

    Raises CameraError, and InputError when the file is damaged.
    """
    kept = paths.history / (entry.kept.name if entry.kept else "")
    with tempfile.TemporaryDirectory(prefix="recam-history-") as folder:
        local = Path(folder) / "model.cvimodel"
        connection.download(kept / "model.cvimodel", local, limit=_MODEL_LIMIT)
        return read_model(local)


def parse_history(output: str, nonce: str, facts: CameraFacts) -> History:
    """Parse the output of `list_history.sh`. Raises CameraError when it is incomplete."""
    if not output.endswith(f"\n{nonce} end\n"):
        raise CameraError(
            "the camera's history could not be read: its answer is incomplete",
            "Run the command again.",
        )
    entries = []
    for part in output.split(f"\n{nonce} entry=")[1:]:
        entry = _parse_entry(part.partition(f"\n{nonce} end\n")[0], nonce)
        if entry:
            entries.append(entry)
    entries.sort(key=lambda entry: -entry.kept.order if entry.kept else 0)
    active = _active_entry(facts)
    if active is None:
        return History(None, tuple(entries), "", facts)
    twin = next((entry for entry in entries if entry.id == active.id), None)
    others = [entry for entry in entries if entry is not twin]
    by = _recorded_by(facts.record) if recorded_id(facts.record) == active.id else ""
    return History(active.id, (twin or active, *others), by, facts)


def _parse_entry(text: str, nonce: str) -> HistoryEntry | None:
    head, mark, info = text.partition(f"\n{nonce} info=")
    name, sha256, size, *_ = (*head.split(), "", "", "")
    kept = KeptModel.parse(name, sha256)
    if kept is None or not kept.sha256:
        return None
    info_sha256, _, info = info.partition("\n")
    if mark and not re.fullmatch(r"[0-9a-f]{64}", info_sha256):
        return None
    model_name, labels = _name_and_labels(info)
    family, rejected = _description(info)
    return HistoryEntry(
        id=kept.id,
        sha256=kept.sha256,
        name=model_name,
        labels=labels,
        info_sha256=info_sha256 or None,
        kept=kept,
        family=family,
        rejected=rejected,
        size=int(size) if re.fullmatch("[0-9]{1,12}", size) else 0,
        accuracy=_accuracy(info),
    )


def _active_entry(facts: CameraFacts) -> HistoryEntry | None:
    if not facts.active_sha256:
        return None
    info = facts.info or ""
    name, labels = _name_and_labels(info)
    return HistoryEntry(
        id=entry_id(facts.active_sha256, facts.info_sha256),
        sha256=facts.active_sha256,
        name=name,
        labels=labels,
        info_sha256=facts.info_sha256,
        kept=None,
        accuracy=_accuracy(info),
    )


def _name_and_labels(info: str) -> tuple[str, tuple[str, ...]]:
    """Read the name and the labels from a `model.json`; both empty where it is invalid."""
    document = _object(info)
    name, labels = document.get("model_name"), document.get("classes")
    return (
        name if isinstance(name, str) else "",
        tuple(str(label) for label in labels) if isinstance(labels, list) else (),
    )


def _description(info: str) -> tuple[str, bool]:
    """Read the family, and whether the model was rejected, from what recam has written."""
    said = _own_words(info).split()
    return next((word for word in said[:1] if word in FAMILIES), ""), REJECTED in said


def _accuracy(info: str) -> Measured | None:
    return Measured.find(_own_words(info))


def _own_words(info: str) -> str:
    """Return the description that recam has written; "" where another program did."""
    document = _object(info)
    words = document.get("description")
    return words if document.get("author") == AUTHOR and isinstance(words, str) else ""


def _object(text: str) -> dict[str, Any]:
    """Parse a JSON object; empty where the text is none."""
    try:
        document = parse_json(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _recorded_by(record: str) -> str:
    by = parse_json(record).get("by")
    return "".join(c for c in by if c.isprintable()) if isinstance(by, str) else ""


def plan_rollback_to(
    history: History, entry: HistoryEntry, paths: CameraPaths, keep: int, *, failed: bool = False
) -> DeploymentPlan:
    """Plan how an entry of the history becomes the active model; no steps when it is active.

    The present one goes into the history of `keep` models, unless it has `failed`. Raises
    InputError when the entry is active and not in the history.
    """
    if entry.kept is None:
        raise InputError(
            f"{entry.id} is the active model already", "`recam history` shows the others."
        )
    return plan_rollback(
        history.facts,
        paths,
        entry.kept,
        entry.info_sha256,
        # A failed model makes room when it is replaced, so the copy may use the reserve till then.
        size=0 if failed else entry.size,
        name=entry.name,
        by=default_owner(),
        history=keep,
        keeps=not failed,
    )


@dataclass(frozen=True)
class RevertResult:
    """Whether the changes of a run were undone; `message` says so, or why not."""

    done: bool
    message: str


def revert(
    deployment: Deployment,
    connection: Connection,
    paths: CameraPaths,
    lock: Lock,
    progress: Progress,
    *,
    keep: int,
) -> RevertResult:
    """Make the model before `deployment` active again after the new one has failed.

    Errors are not raised but reported in the result, since the caller reports a failure already.
    """
    if not deployment.changed:
        return RevertResult(True, "the model was not changed by this run")
    if deployment.previous_id is None:
        return RevertResult(False, "there was no model before, so the new one stays active")
    if not keep:
        return RevertResult(
            False,
            "the camera keeps no models (camera.history = 0), so the new one stays active; deploy "
            "the one before again",
        )
    try:
        history = read_history(connection, paths)
        entry = history.choose(deployment.previous_id)
        named = ", ".join(filter(None, [entry.name, entry.id]))
        apply(
            plan_rollback_to(history, entry, paths, keep, failed=True), connection, progress, lock
        )
    except RecamError as error:
        return RevertResult(
            False, f"the model before could not be restored ({error.message}); run `recam rollback`"
        )
    return RevertResult(True, f"the model before ({named}) is active again")
