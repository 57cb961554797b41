"""Let one recam at a time change a camera: a lock that ends with its holder, or with a restart.

A claim is a file in the work folder. Its name holds the boot id, the start tick and the id of a
process on the camera that lives as long as the holder's connection. The claim is valid while that
process runs, so a stale one is recognised without a clock or a time-out. This needs only files and
`/proc`: a camera's busybox may lack `flock`.

A script that changes something first joins the lock with a claim of its own, then checks that the
holder's is valid. A script that outlives its holder so keeps others out until it ends.
"""

from __future__ import annotations

import contextlib
import getpass
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..errors import CameraError, LockedError
from ..progress import Progress
from ..ssh.background import BackgroundProcess
from ..ssh.command import RemoteCommand, Script, Word, load
from ..ssh.connection import Connection
from .workdir import make_with_sudo, refused_link

_REASON_LIMIT = 200
_KEEPALIVE_SECONDS = 10.0
_SILENCE_SECONDS = 60  # without a keepalive, after which the camera ends the lock
_READY_SECONDS = 30.0  # longer than lock_hold.sh takes to decide
_RETRY_SECONDS = 0.5


@dataclass(frozen=True)
class Lock:
    """A lock that this process holds: the work folder, and its claim there."""

    folder: PurePosixPath
    claim: str

    def script(self, name: str, *arguments: Word) -> RemoteCommand:
        """Make a command that joins the lock and runs a script; it fails when the lock is lost."""
        script = load(name)
        joined = Script(f"{load('lock_join')}\n{script}", script.file_name)
        return RemoteCommand.shell(joined, self.folder, self.claim, *arguments)


def default_owner() -> str:
    """Return `user@host` of this process, which others see as the lock's holder."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "someone"
    return f"{user}@{socket.gethostname()}"


@contextlib.contextmanager
def hold(
    connection: Connection,
    folder: PurePosixPath,
    purpose: str,
    progress: Progress,
    *,
    wait: float = 0.0,
    owner: str | None = None,
) -> Iterator[Lock]:
    """Hold the lock in the work folder `folder` while the block runs.

    The folder is created, through sudo where needed. Raises LockedError, which names the holder,
    when the lock is not free within `wait` seconds; CameraError when the folder cannot be used;
    ConnectionFailedError.
    """
    who = " ".join((owner or default_owner()).split())
    until = time.monotonic() + wait
    reported = created = False
    while True:
        with contextlib.ExitStack() as stack:
            try:
                lock = stack.enter_context(_claimed(connection, folder, who, purpose))
            except _NoFolderError:
                if created:
                    raise
                created = True
                make_with_sudo(connection, folder)
                continue
            except _BusyError as busy:
                if time.monotonic() >= until:
                    raise _locked(connection.host, busy.holder) from None
                if not reported:
                    progress.say(f"Waiting for {busy.holder} to finish")
                    reported = True
                time.sleep(_RETRY_SECONDS)
                continue
            yield lock
            return


class _BusyError(Exception):
    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


class _NoFolderError(CameraError):
    pass


@contextlib.contextmanager
def _claimed(
    connection: Connection, folder: PurePosixPath, owner: str, purpose: str
) -> Iterator[Lock]:
    """Claim the lock once. Raises _BusyError, or _NoFolderError for a folder of another user."""
    nonce = f"recam-{secrets.token_hex(8)}"
    why = " ".join(purpose.split())
    silence = str(_SILENCE_SECONDS)
    command = RemoteCommand.script("lock_hold", folder, nonce, owner, why, silence)
    with connection.run_in_background(command) as process:
        line = process.line(_READY_SECONDS)
        mark, word, claim = (*line.split(" ", 2), "", "")[:3]
        if mark != nonce or word != "held" or not claim:
            raise _not_held(word if mark == nonce else "", folder, process)
        with _keeping_alive(process):
            yield Lock(folder, claim)


def _not_held(word: str, folder: PurePosixPath, process: BackgroundProcess) -> Exception:
    """Return the error for a `lock_hold.sh` that printed `word` instead of "held"."""
    if word == "busy":
        holder, purpose = process.line(_READY_SECONDS), process.line(_READY_SECONDS)
        return _BusyError(f"{holder or 'someone'} ({purpose or 'for an unknown purpose'})")
    if word == "linked":
        return refused_link(folder)
    if word == "closed":
        return _NoFolderError(
            f"the user may not write to the camera's work folder {folder}",
            "Set camera.work to a folder that the user may write to.",
        )
    reason = process.line(_READY_SECONDS)[:_REASON_LIMIT] if word == "failed" else ""
    return CameraError(
        f"the lock on the camera could not be taken in {folder}: {reason or 'no reason was given'}",
        "Run `recam doctor`: the camera's storage may be full or failing.",
    )


def _locked(host: str, holder: str) -> LockedError:
    return LockedError(
        f"{host} is in use by {holder}",
        "Run the command again later, or wait with --wait SECONDS. The lock ends by itself with "
        "its holder.",
    )


@contextlib.contextmanager
def _keeping_alive(process: BackgroundProcess) -> Iterator[None]:
    """Send keepalives from a thread while the block runs."""
    ended = threading.Event()

    def send() -> None:
        while not ended.wait(_KEEPALIVE_SECONDS) and process.send_keepalive():
            pass

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
