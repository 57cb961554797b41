"""What there is on the camera now, gathered in one round trip.

A shell script (busybox or coreutils) prints one line a fact; every line begins with a word that
is fresh for each call, so that nothing else that is printed can pass for a fact.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from ..errors import CameraError
from ..ssh.command import RemoteCommand
from ..ssh.connection import Connection
from ..ssh.scripts import DIGEST, LINKED, LIVING
from .paths import CameraPaths

INFO_LIMIT = 65536

FACTS = (
    """
LC_ALL=C; export LC_ALL
nonce=$1 models=$2 work=$3 runner=$4 limit=$5 history=$6 system=$7
"""
    + DIGEST
    + LIVING
    + LINKED
    + """
say() { printf '%s %s=%s\\n' "$nonce" "$1" "$2"; }
is() { name=$1; shift; if "$@" >/dev/null 2>&1; then say "$name" yes; else say "$name" no; fi; }
has() { command -v "$1" >/dev/null 2>&1; }
first() { head -c 4096 "$1" 2>/dev/null | head -n 1 | tr -d '\\000'; }
sum() {
    if [ ! -e "$2" ]; then say "$1" absent
    elif [ -f "$2" ] && [ -r "$2" ]; then say "$1" "$(digest "$2")"
    else say "$1" unreadable; fi
}
folder() {
    is "$1_exists" [ -d "$2" ]
    is "$1_is_link" linked "$2"
    near=$2
    while [ ! -d "$near" ]; do near=${near%/*}; near=${near:-/}; done
    is "$1_writable" [ -w "$near" ]
    df -Pk "$near" | {
        read -r _
        read -r _ _ _ free _ mount
        say "$1_free_kib" "$free"
        say "$1_mount" "$mount"
        options=
        while read -r _ where _ how _; do
            if [ "$where" = "$mount" ]; then options=$how; fi
        done </proc/mounts
        case ",$options," in *,ro,*) say "$1_read_only" yes ;; *) say "$1_read_only" no ;; esac
    }
    bytes=0
    for file in "$2"/.recam-*; do
        if [ -f "$file" ] && [ ! -L "$file" ]; then
            size=$(wc -c <"$file") && bytes=$((bytes + size))
        fi
    done 2>/dev/null
    say "$1_leftover_bytes" "$bytes"
}
say machine "$(uname -m)"
say device "$(first "$system/proc/device-tree/model")"
firmware=$(first "$system/etc/issue")
say firmware "${firmware:-$(sed -n 's/^PRETTY_NAME=//p' "$system/etc/os-release" 2>/dev/null)}"
say uid "$(id -u)"
is has_timeout has timeout
is has_sha256sum has sha256sum
is has_python3 has python3
is has_sudo has sudo
is sudo_is_free sudo -n true
missing=
for tool in cat chmod cp cut dd head ln mkdir mv rm sync tr; do
    has $tool || missing="$missing $tool"
done
say missing "$missing"
say ram_kib "$(sed -n 's/^MemAvailable: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo)"
say ion_total "$(first "$system/sys/kernel/debug/ion/cvi_carveout_heap_dump/total_mem")"
reserved=$system/proc/device-tree/reserved-memory/ion/size
if [ ! -r "$reserved" ]; then reserved=/dev/null; fi
say ion_reserved "$(od -An -v -tx1 "$reserved" | tr -d ' \\n')"
folder models "$models"
folder work "$work"
folder history "$history"
sum active_sha256 "$models/model.cvimodel"
active_bytes=0
if [ -f "$models/model.cvimodel" ]; then active_bytes=$(wc -c <"$models/model.cvimodel"); fi
say active_bytes $((active_bytes))
is active_is_folder [ -d "$models/model.cvimodel" ]
sum info_sha256 "$models/model.json"
sum runner_sha256 "$runner"
kept=
for entry in "$history"/[0-9]*-*; do
    if [ -e "$entry" ] || [ -L "$entry" ]; then kept="$kept ${entry##*/}:"; fi
    if [ -f "$entry/model.cvimodel" ] && [ ! -L "$entry" ]; then
        kept="$kept$(head -c 64 "$entry/sha256" 2>/dev/null)"
    fi
done
say kept "$kept"
say record "$(first "$history/active.json")"
say pending "$(first "$history/.recam-new-record")"
holder=
for file in "$work"/lock.claim.*; do
    if [ -e "$file" ] && alive "${file##*/lock.claim.}"; then holder=$(head -c 600 "$file"); fi
done
say lock "$(printf %s "$holder" | tr '\\n' ' ')"
info=$models/model.json
if [ -f "$info" ] && [ -r "$info" ]; then
    say info present
    head -c "$limit" "$info"
else
    say info absent
fi
printf '\\n%s end=yes\\n' "$nonce"
"""
)


@dataclass(frozen=True)
class FolderFacts:
    """A folder on the camera; where it is missing, the rest is of the nearest one above it.

    `free` and `leftover_bytes` are bytes: free for us on its file system, and in files of ours
    that an interrupted run left in it.
    """

    exists: bool
    is_link: bool
    writable: bool
    free: int
    mount: str
    read_only: bool
    leftover_bytes: int


@dataclass(frozen=True)
class KeptModel:
    """A model of the history: a counter that grows with each switch, its id, its sha256.

    The hash is "" for one that is not whole: it only takes up its number.
    """

    order: int
    id: str
    sha256: str

    @property
    def name(self) -> str:
        """Its folder's name in the history; by name they sort as they were kept."""
        return f"{self.order:08d}-{self.id}"

    @classmethod
    def parse(cls, name: str, sha256: str) -> KeptModel | None:
        """From a folder's name; None for what is none of ours."""
        found = re.fullmatch(r"([0-9]{8})-([0-9a-f]{12})", name)
        if not found:
            return None
        whole = re.fullmatch(r"[0-9a-f]{64}", sha256)
        return cls(int(found[1]), found[2], sha256 if whole else "")


@dataclass(frozen=True)
class CameraFacts:
    """All that deploying and testing need to know. A hash is None where there is no such file.

    `info` is the text of `model.json`, or None. A file that we may not read has the hash "".
    `ram_bytes` could be used now; `ion_bytes` is all of the TPU's memory, None where the camera
    does not tell. `sudo_is_free` says that sudo asks for no password. `kept` is oldest first;
    `record` is what the last deployment wrote down, `pending` what one that was cut off meant to,
    `lock` who is at work there now; `missing`
    names the programs that we need and it lacks.
    """

    machine: str
    device: str
    firmware: str
    uid: int
    has_timeout: bool
    has_sha256sum: bool
    has_python3: bool
    has_sudo: bool
    sudo_is_free: bool
    missing: tuple[str, ...]
    ram_bytes: int
    ion_bytes: int | None
    models: FolderFacts
    work: FolderFacts
    history: FolderFacts
    active_sha256: str | None
    active_bytes: int
    active_is_folder: bool
    info_sha256: str | None
    runner_sha256: str | None
    kept: tuple[KeptModel, ...]
    record: str
    pending: str
    lock: str
    info: str | None


def gather_facts(connection: Connection, paths: CameraPaths) -> CameraFacts:
    """Ask the camera. Raises CameraError when it answers with anything but facts."""
    nonce = f"recam-{secrets.token_hex(8)}"
    command = RemoteCommand.script(
        FACTS,
        nonce,
        paths.models,
        paths.work,
        paths.runner,
        str(INFO_LIMIT),
        paths.history,
        str(paths.system).rstrip("/"),
    )
    return parse_facts(connection.run(command, timeout=60, check=False).stdout, nonce)


def parse_facts(text: str, nonce: str) -> CameraFacts:
    """Read the script's output; text between the facts is passed over.

    Raises CameraError when a fact is missing, given twice, or not of its kind.
    """
    head, _, after = text.partition(f"{nonce} info=")
    word, _, body = after.partition("\n")
    info, end, _ = body.rpartition(f"\n{nonce} end=yes")
    if word not in ("present", "absent") or not end:
        raise _unclear("its answer is not whole")
    found: dict[str, str] = {}
    for line in head.splitlines():
        if not line.startswith(f"{nonce} "):
            continue
        name, _, value = line.removeprefix(f"{nonce} ").partition("=")
        if name in found:
            raise _unclear(f"{name} is given twice")
        found[name] = value
    facts = _Facts(found)
    return CameraFacts(
        machine=facts.words("machine"),
        device=facts.words("device"),
        firmware=facts.words("firmware").strip('"'),
        uid=facts.number("uid"),
        has_timeout=facts.flag("has_timeout"),
        has_sha256sum=facts.flag("has_sha256sum"),
        has_python3=facts.flag("has_python3"),
        has_sudo=facts.flag("has_sudo"),
        sudo_is_free=facts.flag("sudo_is_free"),
        missing=tuple(facts.words("missing").split()),
        ram_bytes=facts.number("ram_kib") * 1024,
        ion_bytes=facts.ion(),
        models=facts.folder("models"),
        work=facts.folder("work"),
        history=facts.folder("history"),
        active_sha256=facts.hash("active_sha256"),
        active_bytes=facts.number("active_bytes"),
        active_is_folder=facts.flag("active_is_folder"),
        info_sha256=facts.hash("info_sha256"),
        runner_sha256=facts.hash("runner_sha256"),
        kept=facts.kept(),
        record=facts.text("record"),
        pending=facts.text("pending"),
        lock=facts.words("lock"),
        info=info if word == "present" else None,
    )


class _Facts:
    """Values by name, each checked for its kind."""

    def __init__(self, found: dict[str, str]) -> None:
        self._found = found

    def text(self, name: str) -> str:
        try:
            return self._found[name]
        except KeyError:
            raise _unclear(f"it says nothing about {name}") from None

    def words(self, name: str) -> str:
        """Text for people, without anything that a terminal would obey."""
        return " ".join("".join(c if c.isprintable() else " " for c in self.text(name)).split())

    def ion(self) -> int | None:
        """From the TPU driver, which only root may read, else from the device tree (big endian)."""
        total, reserved = self.text("ion_total"), self.text("ion_reserved")
        if re.fullmatch(r"[0-9]{1,18}", total):
            return int(total)
        return int(reserved, 16) if re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{16}", reserved) else None

    def kept(self) -> tuple[KeptModel, ...]:
        entries = [word.partition(":") for word in self.text("kept").split()]
        parsed = [KeptModel.parse(name, sha256) for name, _, sha256 in entries]
        return tuple(sorted((entry for entry in parsed if entry), key=lambda entry: entry.order))

    def number(self, name: str) -> int:
        text = self.text(name)
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise _unclear(f"{name} is no number: {text[:40]!r}")
        return int(text)

    def flag(self, name: str) -> bool:
        text = self.text(name)
        if text not in ("yes", "no"):
            raise _unclear(f"{name} is neither yes nor no: {text[:40]!r}")
        return text == "yes"

    def hash(self, name: str) -> str | None:
        text = self.text(name)
        if text in ("absent", "unreadable"):
            return None if text == "absent" else ""
        if not re.fullmatch(r"[0-9a-f]{64}", text):
            raise _unclear(f"{name} is no sha256: {text[:80]!r}")
        return text

    def folder(self, name: str) -> FolderFacts:
        return FolderFacts(
            exists=self.flag(f"{name}_exists"),
            is_link=self.flag(f"{name}_is_link"),
            writable=self.flag(f"{name}_writable"),
            free=self.number(f"{name}_free_kib") * 1024,
            mount=self.text(f"{name}_mount"),
            read_only=self.flag(f"{name}_read_only"),
            leftover_bytes=self.number(f"{name}_leftover_bytes"),
        )


def _unclear(what: str) -> CameraError:
    return CameraError(
        f"the camera's state could not be read: {what}",
        "Is this the right address? The camera needs a shell with sha256sum (or python3), df "
        "and wc.",
    )
