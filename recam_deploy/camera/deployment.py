"""Putting a model in place: carrying out a plan so that no fault leaves half of it.

The new model is written beside the old one under a name with its hash, checked by sha256 on the
camera, tried there, and renamed: what the camera would load is the old model or the new one, never
a part. The model is renamed before its `model.json`, and the record is written last. A run that
was cut off anywhere is mended by the next one, which looks at what is there: a part of an upload
is gone on with, a model in place is not sent again, and until the JSON has followed its `checksum`
tells that it belongs to another model.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import (
    CameraError,
    ConnectionFailedError,
    DeploymentError,
    LockedError,
)
from ..progress import Progress
from ..ssh.command import RemoteCommand, Word
from ..ssh.connection import Connection
from ..ssh.files import SHORT_SECONDS
from ..ssh.scripts import INSTALL_DAMAGED, INSTALL_IN_THE_WAY
from ..ssh.session import Input, Result, TransferMonitor
from ..ssh.upload import Chunk, upload
from .deploy_scripts import (
    APPEND,
    CHANGED_MEANWHILE,
    CLEAN,
    NOT_READ_BACK,
    PIECES,
    STAGE,
    STORAGE_FAILED,
    SWITCH,
)
from .lock import LOCK_BUSY, Lock
from .model_info import read_unchanged
from .plan import DeploymentPlan, kept_folder

PIECE_BYTES = 256 * 1024  # a broken upload is gone on with at a border of such pieces
_STORAGE_SECONDS = 120.0  # for hashing, copying and settling a model on a slow card

Trial = Callable[[PurePosixPath], "TrialResult"]
"""Runs the model at that path on the camera. It raises what a smoke test does when the model is
not to become the active one."""


@dataclass(frozen=True)
class TrialResult:
    """Whether a model was run on the camera before the switch, and in words what came of it."""

    done: bool
    note: str


@dataclass(frozen=True)
class Deployment:
    """What is in place now.

    `previous` is the sha256 of the model before (None for no model) and `previous_id` its id;
    `changed` is False when all was in place; `tried` is None when no other model became active.
    """

    active: str
    id: str
    sha256: str
    uploaded_bytes: int
    previous: str | None
    previous_id: str | None
    changed: bool
    tried: TrialResult | None

    def as_json(self) -> dict[str, Any]:
        """As `deploy --json` shows it."""
        return {
            "active": self.active,
            "id": self.id,
            "sha256": self.sha256,
            "uploaded_bytes": self.uploaded_bytes,
            "previous": self.previous,
            "tried": self.tried and self.tried.done,
        }


def apply(
    plan: DeploymentPlan,
    connection: Connection,
    progress: Progress,
    lock: Lock,
    trial: Trial | None = None,
) -> Deployment:
    """Carry out a plan whose facts were gathered under `lock`.

    `trial` is called with the new model's path on the camera before the switch; what it raises
    ends the deployment. Raises DeploymentError when the camera cannot do it, LockedError when the
    lock was lost, SudoError, ConnectionFailedError, or InputError when the artifact has changed
    meanwhile. The model that was active still is then, but for two cases: after a lost connection
    it is the old one or the new one, and one that cannot be read back is what the message says.
    """
    if not plan.steps:
        return in_place(plan)
    tried: TrialResult | None = None
    acting = _Acting(plan, connection, progress, lock)
    try:
        acting.prepare()
        sent = acting.bring_model(checks=trial is not None)
        if plan.switches:
            tried = trial(plan.staged) if trial else TrialResult(False, "the model was not tried")
        sent += acting.switch()
    except ConnectionFailedError:
        raise
    except CameraError as error:
        with contextlib.suppress(CameraError):
            acting.clean()
        if type(error) is CameraError:
            hint = error.hint or f"Look at {plan.paths.models} on the camera, and try again."
            raise DeploymentError(error.message, hint) from error
        raise
    return _deployed(plan, sent, tried)


def in_place(plan: DeploymentPlan) -> Deployment:
    """The deployment of a plan that has no steps."""
    return _deployed(plan, 0, None)


def _deployed(plan: DeploymentPlan, sent: int, tried: TrialResult | None) -> Deployment:
    previous_id, previous = plan.previous or (None, None)
    return Deployment(
        active=str(plan.paths.active_model),
        id=plan.id,
        sha256=plan.sha256,
        uploaded_bytes=sent,
        previous=previous,
        previous_id=previous_id,
        changed=plan.switches or plan.info.action != "leave",
        tried=tried,
    )


class _Acting:
    """The steps of one plan."""

    def __init__(
        self, plan: DeploymentPlan, connection: Connection, progress: Progress, lock: Lock
    ) -> None:
        self._plan = plan
        self._connection = connection
        self._progress = progress
        self._lock = lock

    def _act(
        self,
        script: str,
        *arguments: Word,
        timeout: float = SHORT_SECONDS,
        stdin: Input = b"",
        monitor: TransferMonitor | None = None,
    ) -> Result:
        """Run a script under the lock, as root where that is needed; raises what it says."""
        act = self._connection.sudo if self._plan.root else self._connection.run
        command = self._lock.script(script, *arguments)
        result = act(command, timeout=timeout, stdin=stdin, check=False, monitor=monitor)
        if not result.ok:
            raise _explained(result, self._plan)
        return result

    def prepare(self) -> None:
        """Make the folder, and remove what an interrupted run left, but for a part of this model.

        Where there is nothing to do nothing is asked of the camera.
        """
        facts, paths = self._plan.facts, self._plan.paths
        if not facts.models.exists:
            command = RemoteCommand.of("mkdir", "-p", "-m", "755", "--", paths.models)
            (self._connection.sudo if self._plan.root else self._connection.run)(command)
        elif facts.models.leftover_bytes:
            self.clean(but=self._plan.staged if self._plan.model else None)

    def clean(self, but: PurePosixPath | None = None) -> None:
        """Remove what this or an earlier run left behind."""
        paths = self._plan.paths
        self._act(CLEAN, paths.models, paths.history, but or "")

    def bring_model(self, *, checks: bool) -> int:
        """Bring the new model beside the active one; returns the number of bytes sent.

        It is looked at there when it comes from the history or `checks` asks for it, else in the
        switch.
        """
        plan = self._plan
        sent = self._upload(plan.model) if plan.model else 0
        if plan.restored or (plan.model and checks):
            source = kept_folder(plan.paths, plan.restored) if plan.restored else None
            with self._progress.step("Checking the model on the camera"):
                self._act(
                    STAGE,
                    plan.staged,
                    plan.sha256,
                    source / "model.cvimodel" if source else "",
                    timeout=_STORAGE_SECONDS,
                )
        return sent

    def _upload(self, path: Path) -> int:
        plan = self._plan
        model = read_unchanged(path, plan.sha256)
        there = self._brought_before(model)
        rest = len(model) - there
        if not rest:
            return 0

        def write(chunk: Chunk) -> Result:
            return self._act(
                APPEND,
                plan.staged,
                str(chunk.offset),
                chunk.form,
                timeout=chunk.seconds,
                stdin=chunk.input,
                monitor=chunk.monitor,
            )

        with self._progress.step(f"Uploading {path.name}", unit="bytes") as step:
            upload(model, there, write, f"uploading {path.name}", step)
        return rest

    def _brought_before(self, model: bytes) -> int:
        """How many bytes of an interrupted upload are there and are those of `model`."""
        if not self._plan.facts.models.leftover_bytes:
            return 0
        said = self._act(PIECES, self._plan.staged, str(PIECE_BYTES), timeout=_STORAGE_SECONDS)
        return agreeing_bytes(said.stdout, model, PIECE_BYTES)

    def switch(self) -> int:
        """Make the new model and its `model.json` the active ones; returns the bytes sent."""
        plan, paths, facts = self._plan, self._plan.paths, self._plan.facts
        info, switches = plan.info, plan.switches
        writes = info.action in ("write", "copy")
        with self._progress.step("Checking and switching on the camera"):
            result = self._act(
                SWITCH,
                paths.models,
                *((plan.staged, plan.sha256) if switches else ("", "")),
                info.action,
                *((paths.staged_info, info.sha256 or "") if writes else ("", "")),
                info.source or "",
                "absent" if facts.active_sha256 is None else facts.active_sha256,
                paths.history,
                plan.keep,
                plan.kept_as,
                plan.record,
                *plan.forget,
                timeout=_STORAGE_SECONDS,
                stdin=info.text,
            )
        if f"active {plan.sha256}" not in result.stdout.splitlines():
            raise _not_read_back()
        return len(info.text)


def agreeing_bytes(said: str, model: bytes, piece: int) -> int:
    """How many leading bytes of a part on the camera are those of `model`.

    `said` is what the script PIECES printed for pieces of `piece` bytes; anything else agrees in
    nothing.
    """
    words = said.split()
    if not words or not re.fullmatch(r"[0-9]{1,18}", words[0]):
        return 0
    agreed = 0
    there = model[: int(words[0])]
    for digest in words[1:]:
        chunk = there[agreed : agreed + piece]
        if not chunk or hashlib.sha256(chunk).hexdigest() != digest:
            break
        agreed += len(chunk)
    return agreed


def _explained(result: Result, plan: DeploymentPlan) -> CameraError:
    """The error for a script that did not end well."""
    status, said = result.exit_status, result.tail()
    if status == LOCK_BUSY:
        return LockedError(
            "the lock on the camera was lost, so nothing more was done",
            "Run the command again; what is in place is looked at first.",
        )
    if status == INSTALL_DAMAGED:
        if plan.restored:
            return DeploymentError(
                "the model in the camera's history is damaged (its sha256 differs), and was not "
                "switched to; it is forgotten",
                "`recam deploy` uploads it again; `recam history` shows what else is kept.",
            )
        return DeploymentError(
            "the model arrived damaged (its sha256 differs), and was not switched to",
            "Run the command again; if it happens again, check the cable and the storage.",
        )
    if status == INSTALL_IN_THE_WAY:
        return DeploymentError(
            f"a folder is in the way on the camera: {said}", "Move it away, and try again."
        )
    if status == CHANGED_MEANWHILE:
        return DeploymentError(
            "the camera's active model has changed since it was looked at; nothing was switched",
            "Someone uses another program to deploy; run the command again.",
        )
    if status == NOT_READ_BACK:
        return _not_read_back()
    if status == STORAGE_FAILED or "No space left" in said:
        needed = f", and {plan.size / 1e6:.1f} MB are needed" if plan.size else ""
        return DeploymentError(
            f"the camera could not store the model: {said or 'no reason was given'}; "
            f"{plan.facts.models.free / 1e6:.1f} MB were free before{needed}; "
            "the model that was active still is",
            "Remove recordings or old models there.",
        )
    return DeploymentError(
        f"the model could not be put in place: {said or f'exit status {status}'}",
        "Run the command again; what is in place is looked at first.",
    )


def _not_read_back() -> DeploymentError:
    return DeploymentError(
        "the camera's active model is not the one that was just put in place",
        "Its storage may be failing, or someone else deploys at the same time; run it again.",
    )
