"""The models that were active on a camera, and bringing one of them back.

What is active is read from the files themselves, never from the record, so that the answer is
true whatever an interrupted run or another program did.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from typing import Any

from ..errors import CameraError, InputError, RecamError
from ..progress import Progress
from ..ssh.command import RemoteCommand
from ..ssh.connection import Connection
from .deploy_scripts import LIST
from .deployment import Deployment, apply
from .facts import INFO_LIMIT, CameraFacts, KeptModel, gather_facts
from .lock import Lock, default_owner
from .model_info import entry_id
from .paths import CameraPaths
from .plan import DeploymentPlan, plan_rollback, recorded_id


@dataclass(frozen=True)
class HistoryEntry:
    """A model with its `model.json`; `kept` is None for one that is active and not in the history.

    `labels` and `name` are what its `model.json` says, `info_sha256` is that file's hash.
    """

    id: str
    sha256: str
    name: str
    labels: tuple[str, ...]
    info_sha256: str | None
    kept: KeptModel | None

    def as_json(self) -> dict[str, Any]:
        """As `history --json` shows it."""
        return {
            "id": self.id,
            "sha256": self.sha256,
            "name": self.name,
            "labels": list(self.labels),
        }


@dataclass(frozen=True)
class History:
    """`entries` are newest first, the active one before all others. `active` is an id.

    `by` is who put the active one there; "" where that was not done by recam.
    """

    active: str | None
    entries: tuple[HistoryEntry, ...]
    by: str
    facts: CameraFacts

    def as_json(self) -> dict[str, Any]:
        """As `history --json` shows it."""
        return {"active": self.active, "entries": [entry.as_json() for entry in self.entries]}

    def choose(self, wanted: str | None) -> HistoryEntry:
        """The entry that `wanted` begins (its id, or its model's sha256); without, the last one.

        Raises InputError when there is none, or more than one.
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
        problem = "is not clear" if found else "is not on the camera"
        raise InputError(f"the model {wanted!r} {problem}; kept are: {known}", "Give one of those.")


def read_history(connection: Connection, paths: CameraPaths) -> History:
    """Look at the camera. Raises CameraError when it answers with anything else."""
    facts = gather_facts(connection, paths)
    nonce = f"recam-{secrets.token_hex(8)}"
    command = RemoteCommand.script(LIST, paths.history, nonce, str(INFO_LIMIT))
    result = connection.run(command, timeout=60, check=False)
    return parse_history(result.stdout, nonce, facts)


def parse_history(said: str, nonce: str, facts: CameraFacts) -> History:
    """Read what LIST printed. Raises CameraError when it is not whole."""
    if not said.endswith(f"\n{nonce} end\n"):
        raise CameraError(
            "the camera's history could not be read: its answer is not whole",
            "Run the command again.",
        )
    entries = []
    for part in said.split(f"\n{nonce} entry=")[1:]:
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
    name, _, sha256 = head.strip().partition(" ")
    kept = KeptModel.parse(name, sha256)
    if kept is None or not kept.sha256:
        return None
    info_sha256, _, info = info.partition("\n")
    if mark and not re.fullmatch(r"[0-9a-f]{64}", info_sha256):
        return None
    named, labels = _described(info)
    return HistoryEntry(kept.id, kept.sha256, named, labels, info_sha256 or None, kept)


def _active_entry(facts: CameraFacts) -> HistoryEntry | None:
    if not facts.active_sha256:
        return None
    name, labels = _described(facts.info or "")
    found = entry_id(facts.active_sha256, facts.info_sha256)
    return HistoryEntry(found, facts.active_sha256, name, labels, facts.info_sha256, None)


def _described(info: str) -> tuple[str, tuple[str, ...]]:
    """Name and labels in a `model.json`; nothing where it is none."""
    try:
        document = json.loads(info)
    except (ValueError, RecursionError):
        return "", ()
    if not isinstance(document, dict):
        return "", ()
    name, labels = document.get("model_name"), document.get("classes")
    return (
        name if isinstance(name, str) else "",
        tuple(str(label) for label in labels) if isinstance(labels, list) else (),
    )


def _recorded_by(record: str) -> str:
    by = json.loads(record).get("by")
    return "".join(c for c in by if c.isprintable()) if isinstance(by, str) else ""


def plan_return(
    history: History, entry: HistoryEntry, paths: CameraPaths, keep: int, *, failed: bool = False
) -> DeploymentPlan:
    """How an entry of the history becomes the active model; no steps when it is.

    The one that is active now goes into the history, of `keep` models, unless it has `failed`.
    Raises InputError when it is active, but lies in no history that it could come from.
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
        name=entry.name,
        by=default_owner(),
        history=keep,
        keeps=not failed,
    )


@dataclass(frozen=True)
class PutBack:
    """Whether what a run has changed is again what it was before, and in words how it came."""

    done: bool
    words: str


def put_back(
    deployment: Deployment,
    connection: Connection,
    paths: CameraPaths,
    lock: Lock,
    progress: Progress,
    *,
    keep: int,
) -> PutBack:
    """Make the model before `deployment` the active one again, since the new one has failed.

    What keeps it from that is in the words, not raised: something has failed already.
    """
    if not deployment.changed:
        return PutBack(True, "the model was not changed by this run")
    if deployment.previous_id is None:
        return PutBack(False, "there was no model before, so the new one stays")
    if not keep:
        return PutBack(
            False,
            "the camera keeps no models (camera.history = 0), so the new one stays: deploy the one "
            "before again",
        )
    try:
        history = read_history(connection, paths)
        entry = history.choose(deployment.previous_id)
        named = ", ".join(filter(None, [entry.name, entry.id]))
        apply(plan_return(history, entry, paths, keep, failed=True), connection, progress, lock)
    except RecamError as error:
        return PutBack(
            False, f"the model before could not be put back ({error.message}): run `recam rollback`"
        )
    return PutBack(True, f"the model before ({named}) is active again")
