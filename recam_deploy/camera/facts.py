"""Gather the camera's state in one round trip, for deploying, testing and the doctor.

The script `facts.sh` prints one line a fact. Each line begins with a nonce, so that no other output
is read as a fact.
"""

from __future__ import annotations

import logging
import re
import secrets
from dataclasses import dataclass

from ..errors import CameraError
from ..ssh.command import RemoteCommand
from ..ssh.connection import Connection
from .paths import CameraPaths

logger = logging.getLogger(__name__)

INFO_LIMIT = 65536
_RUNTIME = "libcviruntime.so"


@dataclass(frozen=True)
class FolderFacts:
    """A folder on the camera; where it is missing, the rest describes its nearest parent.

    In bytes: `size` of its file system (None where the camera does not report it), `free` for this
    user on it, and `leftover_bytes` in files that an interrupted run left in the folder.
    """

    exists: bool
    is_link: bool
    writable: bool
    size: int | None
    free: int
    mount: str
    read_only: bool
    leftover_bytes: int


@dataclass(frozen=True)
class KeptModel:
    """A model of the history: its number, which grows with each switch, its id and its sha256.

    The hash is "" for an incomplete model; its number is not used again.
    """

    order: int
    id: str
    sha256: str

    @property
    def name(self) -> str:
        """Its folder's name in the history; the names sort by age."""
        return f"{self.order:08d}-{self.id}"

    @classmethod
    def parse(cls, name: str, sha256: str) -> KeptModel | None:
        """Parse a folder's name; return None for a name that recam does not give."""
        found = re.fullmatch(r"([0-9]{8})-([0-9a-f]{12})", name)
        if not found:
            return None
        whole = re.fullmatch(r"[0-9a-f]{64}", sha256)
        return cls(int(found[1]), found[2], sha256 if whole else "")


@dataclass(frozen=True)
class CameraFacts:
    """The camera's state, as deploying and testing need it.

    A hash is None where there is no such file, and "" where the user may not read it. `info` is the
    text of `model.json`, or None. `clock` is in seconds since 1970. `ram_bytes` are available now,
    `ion_bytes` is the TPU's memory in all; `clock` and `ion_bytes` are None where the camera does
    not report them. `runner_runs`: the test binary is executable. `has_runtime`: the library that
    runs models exists. `kept` is oldest first. `record` is the JSON of the last deployment,
    `pending` that of an interrupted one. `lock` names the lock's holder; `missing` lists the
    programs that recam needs and the camera lacks.
    """

    machine: str
    device: str
    firmware: str
    clock: int | None
    uid: int
    has_timeout: bool
    has_sha256sum: bool
    has_python3: bool
    has_sudo: bool
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
    runner_runs: bool
    has_runtime: bool
    kept: tuple[KeptModel, ...]
    record: str
    pending: str
    lock: str
    info: str | None


def gather_facts(connection: Connection, paths: CameraPaths) -> CameraFacts:
    """Run `facts.sh` and parse its output. Raises CameraError when that is not complete."""
    nonce = f"recam-{secrets.token_hex(8)}"
    folders = (paths.models, paths.work, paths.history)
    libraries = (paths.library_path, _RUNTIME)
    words = (nonce, *folders, paths.runner, *libraries, str(INFO_LIMIT), paths.system_prefix)
    command = RemoteCommand.script("facts", *words)
    return parse_facts(connection.run(command, timeout=60, check=False).stdout, nonce)


def parse_facts(text: str, nonce: str) -> CameraFacts:
    """Parse the output of `facts.sh`; lines without the nonce are ignored.

    Raises CameraError when a fact is missing, given twice, or not of its kind.
    """
    head, _, after = text.partition(f"{nonce} info=")
    word, _, body = after.partition("\n")
    info, end, _ = body.rpartition(f"\n{nonce} end=yes")
    if word not in ("present", "absent") or not end:
        raise _unclear("its answer is incomplete")
    found = named_values(head, nonce)
    facts = _Facts(found)
    logged = ("machine", "device", "firmware", "uid", "ram_kib", "missing", "active_sha256")
    logger.info(
        "the camera: %s", ", ".join(f"{name} {found[name]}" for name in logged if found.get(name))
    )
    return CameraFacts(
        machine=facts.words("machine"),
        device=facts.words("device"),
        firmware=facts.words("firmware").strip('"'),
        clock=facts.number_or_none("clock"),
        uid=facts.number("uid"),
        has_timeout=facts.flag("has_timeout"),
        has_sha256sum=facts.flag("has_sha256sum"),
        has_python3=facts.flag("has_python3"),
        has_sudo=facts.flag("has_sudo"),
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
        runner_runs=facts.flag("runner_runs"),
        has_runtime=facts.flag("has_library"),
        kept=facts.kept(),
        record=facts.text("record"),
        pending=facts.text("pending"),
        lock=facts.words("lock"),
        info=info if word == "present" else None,
    )


def named_values(text: str, nonce: str) -> dict[str, str]:
    """Parse the lines "NONCE NAME=VALUE"; other lines are ignored.

    Raises CameraError when a name is given twice.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith(f"{nonce} "):
            continue
        name, _, value = line.removeprefix(f"{nonce} ").partition("=")
        if name in found:
            raise _unclear(f"{name} is given twice")
        found[name] = value
    return found


def look_at_ion(connection: Connection, paths: CameraPaths) -> int | None:
    """Read the size of the TPU's memory in bytes from its driver; None where it has no such file.

    Needs sudo, unlike `gather_facts`. Raises SudoError, CameraError.
    """
    nonce = f"recam-{secrets.token_hex(8)}"
    command = RemoteCommand.script("ion", nonce, paths.system_prefix)
    output = connection.sudo(command, check=False).stdout
    return parse_ion(output.partition(f"{nonce} ")[2])


def parse_ion(text: str) -> int | None:
    """Parse the driver's `total_mem` (a number) or `summary` ("carveout heap size:N bytes").

    Source: cvitek's kernel driver, drivers/staging/android/ion/cvitek/cvitek_ion_debugfs.c.
    """
    found = re.match(r"\s*(\d{1,12})\s*$", text) or re.search(r"heap size: ?(\d{1,12})", text)
    return int(found[1]) if found else None


class _Facts:
    """Facts by name; each method checks the type of one, and raises CameraError."""

    def __init__(self, found: dict[str, str]) -> None:
        self._found = found

    def text(self, name: str) -> str:
        try:
            return self._found[name]
        except KeyError:
            raise _unclear(f"the fact {name} is missing") from None

    def words(self, name: str) -> str:
        """Return text without characters that control a terminal, on one line."""
        return " ".join("".join(c if c.isprintable() else " " for c in self.text(name)).split())

    def ion(self) -> int | None:
        """Return the size from the driver, which only root may read, else from the device tree."""
        total, reserved = self.text("ion_total"), self.text("ion_reserved")
        if re.fullmatch(r"[0-9]{1,18}", total):
            return int(total)
        # The device tree's numbers are big endian.
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

    def number_or_none(self, name: str) -> int | None:
        text = self.text(name)
        return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None

    def kib_or_none(self, name: str) -> int | None:
        count = self.number_or_none(name)
        return None if count is None else count * 1024

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
            size=self.kib_or_none(f"{name}_size_kib"),
            free=self.number(f"{name}_free_kib") * 1024,
            mount=self.text(f"{name}_mount"),
            read_only=self.flag(f"{name}_read_only"),
            leftover_bytes=self.number(f"{name}_leftover_bytes"),
        )


def _unclear(what: str) -> CameraError:
    return CameraError(
        f"the camera's state could not be read: {what}",
        "Check the address. The camera needs a shell with sha256sum (or python3), df and wc.",
    )
