"""What the camera tells over SSH, in one round trip: a script prints one line a fact.

Every line begins with a word that is fresh for each call, so that nothing else that is printed
can pass for a fact. The script changes nothing; it is for busybox and for coreutils alike.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from ..camera.paths import CameraPaths
from ..errors import CameraError
from ..ssh.command import RemoteCommand
from ..ssh.connection import Connection
from ..ssh.scripts import DIGEST

INFO_LIMIT = 65536
MODEL_LIMIT = 64 << 20  # more than the TPU's memory holds
_TOOLS = ("cp", "mv", "rm", "head", "df", "sync")
_RUNTIME = "libcviruntime.so"
_ION = "/sys/kernel/debug/ion/cvi_carveout_heap_dump"

FACTS = (
    """
LC_ALL=C; export LC_ALL
nonce=$1 models=$2 runner=$3 libraries=$4 runtime=$5 limit=$6 tools=$7
"""
    + DIGEST
    + """
say() { printf '%s %s=%s\\n' "$nonce" "$1" "$2"; }
say uid "$(id -u)"
say issue "$(head -c 200 /etc/issue 2>/dev/null | tr '\\n' ' ')"
say clock "$(date +%s)"
say memory_kib "$(while read -r name size _; do
    if [ "$name" = MemAvailable: ]; then echo "$size"; fi
done </proc/meminfo)"
near=$models
while [ ! -d "$near" ]; do near=${near%/*}; near=${near:-/}; done
say disk "$(df -Pk "$near" | {
    read -r _
    read -r _ size _ free _ mount
    echo "$size $free $mount"
})"
missing=
for tool in $tools; do
    command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
say missing "$missing"
if [ ! -e "$runner" ]; then say runner absent
elif [ -f "$runner" ] && [ -x "$runner" ]; then say runner present
else say runner unusable; fi
found=absent IFS=:
for folder in $libraries; do
    if [ -e "$folder/$runtime" ]; then found=present; fi
done
unset IFS
say runtime "$found"
model=$models/model.cvimodel
if [ ! -e "$model" ]; then say model absent
elif [ -f "$model" ] && [ -r "$model" ]; then say model "$(digest "$model")"
else say model unreadable; fi
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

# Only root may look there.
ION = f"""
printf '%s ' "$1"
cat {_ION}/total_mem 2>/dev/null || head -n 3 {_ION}/summary 2>/dev/null
"""


@dataclass(frozen=True)
class CameraFacts:
    """What was found. Sizes are in bytes and times in seconds since 1970; None is "not told".

    `model` is the sha256 of the active model, "" when it cannot be read, None where there is
    none; `info` the text of `model.json`. `runner` is "present", "absent" or "unusable".
    """

    uid: int | None
    firmware: str
    clock: int | None
    memory: int | None
    disk: int | None
    free: int | None
    mount: str
    missing: tuple[str, ...]
    runner: str
    has_runtime: bool
    model: str | None
    info: str | None


def look(connection: Connection, paths: CameraPaths) -> CameraFacts:
    """Ask the camera. Raises CameraError when it answers with anything but facts."""
    nonce = f"recam-{secrets.token_hex(8)}"
    command = RemoteCommand.script(
        FACTS,
        *(nonce, paths.models, paths.runner, paths.library_path, _RUNTIME, str(INFO_LIMIT)),
        " ".join(_TOOLS),
    )
    return parse(connection.run(command, timeout=60, check=False).stdout, nonce)


def parse(text: str, nonce: str) -> CameraFacts:
    """Read the script's output; text between the facts is passed over.

    Raises CameraError when it is not whole.
    """
    head, _, after = text.partition(f"{nonce} info=")
    word, _, body = after.partition("\n")
    info, end, _ = body.rpartition(f"\n{nonce} end=yes")
    if word not in ("present", "absent") or not end:
        raise CameraError(
            "the camera's state could not be read: its answer is not whole",
            "Is this the right address? The camera needs a plain shell.",
        )
    lines = (line for line in head.splitlines() if line.startswith(f"{nonce} "))
    pairs = (line.removeprefix(f"{nonce} ").partition("=") for line in lines)
    found = {name: value.strip()[:400] for name, _, value in pairs}
    size, free, mount = ([*found.get("disk", "").split(None, 2)] + [""] * 3)[:3]
    model = found.get("model", "")
    return CameraFacts(
        uid=_number(found, "uid"),
        firmware=_firmware(found.get("issue", "")),
        clock=_number(found, "clock"),
        memory=_kib(found.get("memory_kib", "")),
        disk=_kib(size),
        free=_kib(free),
        mount=mount,
        missing=tuple(found.get("missing", "").split()),
        runner=found.get("runner", "absent"),
        has_runtime=found.get("runtime") == "present",
        model=None if model == "absent" else model if _is_hash(model) else "",
        info=info if word == "present" else None,
    )


def look_at_ion(connection: Connection) -> int | None:
    """The size of the memory that models live in, in bytes; None where it cannot be told.

    Needs sudo. Raises CameraError when the camera does not answer.
    """
    nonce = f"recam-{secrets.token_hex(8)}"
    said = connection.sudo(RemoteCommand.script(ION, nonce), check=False).stdout
    return parse_ion(said.partition(f"{nonce} ")[2])


def parse_ion(text: str) -> int | None:
    """From the kernel's `total_mem` (a number) or `summary` ("carveout heap size:N bytes").

    Written by cvitek's kernel driver, drivers/staging/android/ion/cvitek/cvitek_ion_debugfs.c.
    """
    found = re.match(r"\s*(\d{1,12})\s*$", text) or re.search(r"heap size: ?(\d{1,12})", text)
    return int(found[1]) if found else None


def _firmware(issue: str) -> str:
    """The version in /etc/issue, when it is that of the camera's own system."""
    found = re.search(r"recamera\D{0,40}?(\d{1,3}(?:\.\d{1,3}){1,3})", issue, re.IGNORECASE)
    return found[1] if found else ""


def _number(found: Mapping[str, str], name: str) -> int | None:
    text = found.get(name, "")
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None


def _kib(text: str) -> int | None:
    return int(text) * 1024 if re.fullmatch(r"[0-9]{1,15}", text) else None


def _is_hash(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9a-f]{64}", text))
