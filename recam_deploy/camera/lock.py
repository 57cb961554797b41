"""One recam at a time on a camera: a lock that ends with its owner, or with a restart.

Whoever wants the lock puts down a claim: a file in the work folder, named after the boot, the
start tick and the number of a process on the camera that lives as long as our connection does. A
claim counts while that very process runs. So nothing of a dead owner has to be stolen, and nothing
of a live one can be; no clock is asked, and only files and `/proc` are needed, for a camera's
busybox need not have `flock`.

A program that changes something joins the lock with a claim of its own before it looks whether its
owner still holds it: one that runs on after its owner has died keeps the others out until it ends.
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
from ..ssh.command import RemoteCommand, Word
from ..ssh.connection import Connection
from ..ssh.scripts import LIMITS, LINKED, LIVING
from .workdir import make_ours, refused_link

LOCK_BUSY = 75
_REASON_LIMIT = 200
_BEAT_SECONDS = 10.0
_SILENCE_SECONDS = 60  # after which the camera gives up on an owner that it hears nothing of
_READY_SECONDS = 30.0
_RETRY_SECONDS = 0.5
_MOST_LOOKS = 25  # at a second each where `sleep` knows no fractions, less than _READY_SECONDS

# Claims the lock in the folder $1 for $3 (whose purpose is $4), says "$2 held CLAIM", then holds it
# for as long as it hears something at least every $5 seconds. Otherwise says "$2 busy" with the
# holder's two lines, "$2 failed" with the reason, or that the folder is "linked" or "closed" to us.
# Of two that claim at once, the one that started first goes on: it waits for the other to see that
# and withdraw.
HOLD = (
    LIVING
    + LINKED
    + LIMITS
    + f"""
folder=$1 nonce=$2 owner=$3 purpose=$4
if [ "$within" ]; then within="$within $5"; fi
umask 022
if linked "$folder"; then echo "$nonce linked"; exit 1; fi
mkdir -p "$folder" 2>/dev/null
if [ ! -w "$folder" ]; then echo "$nonce closed"; exit 1; fi
me=$boot.$(tick $$).$$
withdraw() {{ rm -f "$folder/lock.text.$me" "$folder/lock.claim.$me" "$folder/lock.held.$me"; }}
trap withdraw EXIT
trap 'exit 1' HUP INT TERM
for file in "$folder"/lock.text.* "$folder"/lock.held.*; do
    name=${{file##*/lock.????.}}
    if [ -e "$file" ] && ! alive "$name"; then rm -f "$file"; fi
done
claim() {{
    printf '%s\\n%s\\n' "$owner" "$purpose" >"$folder/lock.text.$me" &&
        mv "$folder/lock.text.$me" "$folder/lock.claim.$me"
}}
said=$(claim 2>&1) || {{ printf '%s failed\\n%s\\n' "$nonce" "$said"; exit 1; }}
earlier() {{
    theirs=${{1%.*}} ours=${{me%.*}}
    theirs=${{theirs##*.}} ours=${{ours##*.}}
    [ "$theirs" -lt "$ours" ] || {{ [ "$theirs" -eq "$ours" ] && [ "${{1##*.}}" -lt $$ ]; }}
}}
looks=0
while :; do
    first= later= gone=
    for file in "$folder"/lock.claim.*; do
        name=${{file##*/lock.claim.}}
        if [ "$name" = "$me" ] || [ ! -e "$file" ]; then continue; fi
        if ! alive "$name"; then
            rm -f "$file" "$folder/lock.held.$name" "$folder/lock.text.$name"
            gone=$name
        elif [ -e "$folder/lock.held.$name" ] || earlier "$name"; then first=$name
        else later=$name; fi
    done
    looks=$((looks + 1))
    if [ -n "$first" ] || [ "$looks" -gt {_MOST_LOOKS} ]; then
        printf '%s busy\\n' "$nonce"
        head -c 600 "$folder/lock.claim.${{first:-$later}}"
        exit {LOCK_BUSY}
    fi
    # While it died, a program may have joined the one that is gone: that is seen by looking again.
    if [ -z "$later$gone" ]; then break; fi
    if [ -n "$later" ]; then sleep 0.1 2>/dev/null || sleep 1; fi
done
: >"$folder/lock.held.$me"
printf '%s held %s\\n' "$nonce" "$me"
while beat=$($within dd bs=64 count=1 2>/dev/null) && [ -n "$beat" ]; do :; done
"""
)

# Joins the lock that the claim $2 holds in the folder $1, and drops both words; ends the script
# where that one is held no more. What follows must leave the trap on EXIT alone.
JOIN = (
    LIVING
    + f"""
lock_folder=$1 lock_mine=$boot.$(tick $$).$$
trap 'rm -f "$lock_folder/lock.claim.$lock_mine" "$lock_folder/lock.held.$lock_mine"' EXIT
trap 'exit 1' HUP INT TERM
: >"$1/lock.held.$lock_mine"
cp "$1/lock.claim.$2" "$1/lock.claim.$lock_mine" 2>/dev/null
if ! alive "$2" || [ ! -e "$1/lock.claim.$2" ]; then
    echo "the lock on the camera was lost" >&2
    exit {LOCK_BUSY}
fi
if [ ! -e "$1/lock.claim.$lock_mine" ]; then
    echo "no claim could be put down in $1" >&2
    exit 1
fi
shift 2
"""
)


@dataclass(frozen=True)
class Lock:
    """A lock that we hold."""

    folder: PurePosixPath
    claim: str

    def script(self, text: str, *arguments: Word) -> RemoteCommand:
        """A script that may change things: it joins the lock first, or does nothing."""
        return RemoteCommand.script(JOIN + text, self.folder, self.claim, *arguments)


def default_owner() -> str:
    """Who we are, as the lock's holder is named to others."""
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

    The folder is made, through sudo where that takes root. Raises LockedError naming the holder
    when someone else holds the lock for longer than `wait` seconds, CameraError when the folder
    cannot be used, and ConnectionFailedError.
    """
    who = " ".join((owner or default_owner()).split())
    until = time.monotonic() + wait
    told = made = False
    while True:
        with contextlib.ExitStack() as stack:
            try:
                lock = stack.enter_context(_claimed(connection, folder, who, purpose))
            except _NoFolderError:
                if made:
                    raise
                made = True
                make_ours(connection, folder)
                continue
            except _BusyError as busy:
                if time.monotonic() >= until:
                    raise _locked(connection.host, busy.holder) from None
                if not told:
                    progress.say(f"Waiting for {busy.holder}")
                    told = True
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
    """One attempt. Raises _BusyError, or _NoFolderError where the folder is not ours."""
    nonce = f"recam-{secrets.token_hex(8)}"
    why = " ".join(purpose.split())
    command = RemoteCommand.script(HOLD, folder, nonce, owner, why, str(_SILENCE_SECONDS))
    with connection.attend(command) as attended:
        said = attended.line(_READY_SECONDS)
        mark, word, claim = (*said.split(" ", 2), "", "")[:3]
        if mark != nonce or word != "held" or not claim:
            raise _not_held(word if mark == nonce else "", folder, attended)
        with _beating(attended):
            yield Lock(folder, claim)


def _not_held(word: str, folder: PurePosixPath, attended: BackgroundProcess) -> Exception:
    """Why HOLD, which said `word`, does not hold the lock."""
    if word == "busy":
        whose, why = attended.line(_READY_SECONDS), attended.line(_READY_SECONDS)
        return _BusyError(f"{whose or 'someone'} ({why or 'busy there'})")
    if word == "linked":
        return refused_link(folder)
    if word == "closed":
        return _NoFolderError(
            f"the camera's work folder {folder} is not ours to write to",
            "It must be a folder that the user may write to; see camera.work.",
        )
    reason = attended.line(_READY_SECONDS)[:_REASON_LIMIT] if word == "failed" else ""
    return CameraError(
        f"the lock on the camera could not be taken in {folder}: {reason or 'no reason was given'}",
        "Its storage may be full or failing: `recam doctor` looks at it.",
    )


def _locked(host: str, holder: str) -> LockedError:
    return LockedError(
        f"{host} is in use by {holder}",
        "Try again when that has ended, or wait for it with --wait SECONDS. The lock ends by "
        "itself with its owner.",
    )


@contextlib.contextmanager
def _beating(attended: BackgroundProcess) -> Iterator[None]:
    """Let the camera know that we are there."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_BEAT_SECONDS) and attended.beat():
            pass

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
