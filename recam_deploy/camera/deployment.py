"""Execute a deployment plan so that no fault leaves the camera with half a model.

The new model is written beside the old one under a name with its hash, checked by sha256 on the
camera, tested there, and renamed: the camera loads the old model or the new one, never a part. The
model is renamed before its `model.json`, and the record is written last. After an interruption the
next run starts from the camera's state: it resumes an upload, and does not send a model that is in
place. Until `model.json` has been renamed, its `checksum` shows that it belongs to another model.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ..cvimodel import ModelFile
from ..errors import (
    CameraError,
    ConnectionFailedError,
    DeploymentError,
    LockedError,
)
from ..progress import Progress
from ..ssh.command import RemoteCommand, Word
from ..ssh.connection import Connection
from ..ssh.session import SHORT_SECONDS, Input, Result, TransferMonitor
from ..ssh.upload import Chunk, upload
from .deployment_plan import DeploymentPlan, kept_folder
from .exit_codes import ExitCode
from .lock import Lock

PIECE_BYTES = 256 * 1024  # an interrupted upload resumes at a multiple of this
_STORAGE_SECONDS = 120.0  # for hashing, copying and syncing a model on a slow card

Trial = Callable[[PurePosixPath], "TrialResult"]
"""Tests the model at that path on the camera; raises what a smoke test does to stop the switch."""


@dataclass(frozen=True)
class TrialResult:
    """Whether a model was run on the camera before the switch; `message` says so, or why not."""

    ran: bool
    message: str


@dataclass(frozen=True)
class Deployment:
    """The result of a deployment: the active model, and the one before.

    `previous` is the sha256 of the model before (None for no model), `previous_id` its id.
    `changed` is False when everything was in place. `trial` is None when the same model stayed
    active.
    """

    active: str
    id: str
    sha256: str
    uploaded_bytes: int
    previous: str | None
    previous_id: str | None
    changed: bool
    trial: TrialResult | None

    def as_json(self) -> dict[str, Any]:
        """Return the document of `deploy --json`."""
        return {
            "active": self.active,
            "id": self.id,
            "sha256": self.sha256,
            "uploaded_bytes": self.uploaded_bytes,
            "previous": self.previous,
            "tried": self.trial and self.trial.ran,
        }


def apply(
    plan: DeploymentPlan,
    connection: Connection,
    progress: Progress,
    lock: Lock,
    trial: Trial | None = None,
) -> Deployment:
    """Execute a plan whose facts were gathered under `lock`.

    `trial` is called with the new model's path on the camera before the switch; what it raises
    ends the deployment. Raises DeploymentError when the camera cannot do it, LockedError when the
    lock was lost, SudoError, ConnectionFailedError, and InputError when the artifact has changed
    meanwhile. The active model stays as it was then, with two exceptions: after a lost connection
    it may be the new one, and after a failed read-back it is what the message says.
    """
    if not plan.steps:
        return in_place(plan)
    result: TrialResult | None = None
    executor = _Executor(plan, connection, progress, lock)
    try:
        executor.prepare()
        sent = executor.stage_model(verify=trial is not None)
        if plan.switches:
            result = trial(plan.staged) if trial else TrialResult(False, "the model was not tested")
        sent += executor.switch()
    except ConnectionFailedError:
        raise
    except CameraError as error:
        with contextlib.suppress(CameraError):
            executor.clean()
        if type(error) is CameraError:
            hint = error.hint or f"Look at {plan.paths.models} on the camera, then run it again."
            raise DeploymentError(error.message, hint) from error
        raise
    return _deployed(plan, sent, result)


def in_place(plan: DeploymentPlan) -> Deployment:
    """Return the deployment of a plan without steps."""
    return _deployed(plan, 0, None)


def _deployed(plan: DeploymentPlan, sent: int, trial: TrialResult | None) -> Deployment:
    previous_id, previous = plan.previous or (None, None)
    return Deployment(
        active=str(plan.paths.active_model),
        id=plan.id,
        sha256=plan.sha256,
        uploaded_bytes=sent,
        previous=previous,
        previous_id=previous_id,
        changed=plan.switches or plan.info.action != "leave",
        trial=trial,
    )


class _Executor:
    """Runs the steps of one plan on the camera."""

    def __init__(
        self, plan: DeploymentPlan, connection: Connection, progress: Progress, lock: Lock
    ) -> None:
        self._plan = plan
        self._connection = connection
        self._progress = progress
        self._lock = lock

    def _run_script(
        self,
        script: str,
        *arguments: Word,
        timeout: float = SHORT_SECONDS,
        stdin: Input = b"",
        monitor: TransferMonitor | None = None,
    ) -> Result:
        """Run the script of that name under the lock, as root where needed.

        Raises the error that its exit code stands for.
        """
        run = self._connection.sudo if self._plan.root else self._connection.run
        command = self._lock.script(script, *arguments)
        result = run(command, timeout=timeout, stdin=stdin, check=False, monitor=monitor)
        if not result.ok:
            raise _script_error(result, self._plan)
        return result

    def prepare(self) -> None:
        """Make the folder; remove what an interrupted run left, except a part of this model.

        Runs no command when there is nothing to do.
        """
        facts, paths = self._plan.facts, self._plan.paths
        if not facts.models.exists:
            command = RemoteCommand.of("mkdir", "-p", "-m", "755", "--", paths.models)
            (self._connection.sudo if self._plan.root else self._connection.run)(command)
        elif facts.models.leftover_bytes:
            self.clean(keep=self._plan.staged if self._plan.model else None)

    def clean(self, keep: PurePosixPath | None = None) -> None:
        """Remove the files that this or an earlier run left behind, except `keep`."""
        paths = self._plan.paths
        self._run_script("clean", paths.models, paths.history, keep or "")

    def stage_model(self, *, verify: bool) -> int:
        """Upload the new model beside the active one; return the number of bytes sent.

        A model of the history is copied instead. With `verify`, or for a copy, its hash is checked
        now; otherwise `switch` checks it, which saves a round trip.
        """
        plan = self._plan
        sent = self._upload(plan.model) if plan.model else 0
        if plan.restored or (plan.model and verify):
            source = kept_folder(plan.paths, plan.restored) if plan.restored else None
            with self._progress.step("Checking the model on the camera"):
                self._run_script(
                    "stage",
                    plan.staged,
                    plan.sha256,
                    source / "model.cvimodel" if source else "",
                    timeout=_STORAGE_SECONDS,
                )
        return sent

    def _upload(self, file: ModelFile) -> int:
        plan, model = self._plan, file.data
        stored = self._stored_bytes(model)
        rest = len(model) - stored
        if not rest:
            return 0

        def write(chunk: Chunk) -> Result:
            return self._run_script(
                "append",
                plan.staged,
                str(chunk.offset),
                chunk.form,
                timeout=chunk.seconds,
                stdin=chunk.input,
                monitor=chunk.monitor,
            )

        with self._progress.step(f"Uploading {file.path.name}", unit="bytes") as step:
            upload(model, stored, write, f"uploading {file.path.name}", step)
        return rest

    def _stored_bytes(self, model: bytes) -> int:
        """Return how many leading bytes of `model` an interrupted upload left on the camera."""
        if not self._plan.facts.models.leftover_bytes:
            return 0
        result = self._run_script(
            "pieces", self._plan.staged, str(PIECE_BYTES), timeout=_STORAGE_SECONDS
        )
        return matching_bytes(result.stdout, model, PIECE_BYTES)

    def switch(self) -> int:
        """Make the new model and its `model.json` the active ones; return the bytes sent."""
        plan, paths, facts = self._plan, self._plan.paths, self._plan.facts
        info, switches = plan.info, plan.switches
        writes = info.action in ("write", "copy")
        with self._progress.step("Checking and switching on the camera"):
            result = self._run_script(
                "switch",
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


def matching_bytes(output: str, model: bytes, piece: int) -> int:
    """Return how many leading bytes of a part on the camera are those of `model`.

    `output` is what `pieces.sh` printed for pieces of `piece` bytes; 0 for anything else.
    """
    words = output.split()
    if not words or not re.fullmatch(r"[0-9]{1,18}", words[0]):
        return 0
    matched = 0
    expected = model[: int(words[0])]
    for digest in words[1:]:
        chunk = expected[matched : matched + piece]
        if not chunk or hashlib.sha256(chunk).hexdigest() != digest:
            break
        matched += len(chunk)
    return matched


def _script_error(result: Result, plan: DeploymentPlan) -> CameraError:
    """Return the error for a script that failed, by its exit code."""
    status, output = result.exit_status, result.tail()
    if status == ExitCode.LOCK_BUSY:
        return LockedError(
            "the lock on the camera was lost, so the deployment stopped",
            "Run the command again; it starts from what is in place.",
        )
    if status == ExitCode.INSTALL_DAMAGED:
        if plan.restored:
            return DeploymentError(
                "the model in the camera's history is damaged (its sha256 differs) and is removed; "
                "the active model stays",
                "Upload it again with `recam deploy`, or choose another of `recam history`.",
            )
        return DeploymentError(
            "the model arrived damaged (its sha256 differs); the active model stays",
            "Run the command again; if it happens again, check the cable and the storage.",
        )
    if status == ExitCode.INSTALL_IN_THE_WAY:
        return DeploymentError(
            f"a folder is in the way on the camera: {output}",
            "Rename or remove it, then deploy again.",
        )
    if status == ExitCode.CHANGED_MEANWHILE:
        return DeploymentError(
            "the camera's active model has changed since it was read; nothing was switched",
            "Another program deploys to this camera; run the command again.",
        )
    if status == ExitCode.NOT_READ_BACK:
        return _not_read_back()
    if status == ExitCode.STORAGE_FAILED or "No space left" in output:
        needed = f", and {plan.size / 1e6:.1f} MB are needed" if plan.size else ""
        return DeploymentError(
            f"the camera could not store the model: {output or 'no reason was given'}; "
            f"{plan.facts.models.free / 1e6:.1f} MB were free before{needed}; "
            "the active model stays",
            "Remove recordings or old models there.",
        )
    return DeploymentError(
        f"the model could not be deployed: {output or f'exit status {status}'}",
        "Run the command again; it starts from what is in place.",
    )


def _not_read_back() -> DeploymentError:
    return DeploymentError(
        "the camera's active model is not the one that was just deployed",
        "Its storage may be failing, or someone else deploys at the same time. Run the command "
        "again.",
    )
