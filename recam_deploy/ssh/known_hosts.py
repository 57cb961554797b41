"""Check and store host keys in a known-hosts file in OpenSSH's format (sshd(8)).

Plain and hashed host names and `@revoked` lines are read; lines with patterns or certificate
authorities are ignored. A key is added only with the user's consent, and never replaced.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import shlex
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..address import host_and_port
from ..errors import HostKeyError
from ..folders import expanded
from ..settings import CameraSettings, default_known_hosts

Confirm = Callable[[str, str, str], bool]
"""Asks about an unknown key: host, key type, fingerprint. True means: trust it."""

ACCEPT_NEW = "accept-new"
_NOT_FOLLOWED = (
    " recam does not follow StrictHostKeyChecking {} of ~/.ssh/config, which lets any key through; "
    "`accept-new` it does."
)
_POLICY_NOTES = {
    "yes": " StrictHostKeyChecking yes of ~/.ssh/config lets recam ask no question.",
    "no": _NOT_FOLLOWED.format("no"),
    "off": _NOT_FOLLOWED.format("off"),
}
_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")


@dataclass(frozen=True)
class HostKey:
    """A public host key: its type, such as `ssh-ed25519`, and its bytes as SSH sends them."""

    key_type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """The fingerprint `SHA256:...`, as `ssh-keygen -l` shows it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")
        return f"SHA256:{digest}"

    def line(self, label: str) -> str:
        """Format the known-hosts line of this key for the host `label`."""
        return f"{label} {self.key_type} {base64.b64encode(self.blob).decode()}\n"


@dataclass(frozen=True)
class HostLine:
    """A line of a known-hosts file: the names that it is for, and the key."""

    text: str
    names: tuple[str, ...]
    key: HostKey
    revoked: bool

    @classmethod
    def parse(cls, text: str) -> HostLine | None:
        """Parse a line; return None when it holds no key of a host."""
        words = text.split()
        if not words or words[0].startswith("#"):
            return None
        marker = words.pop(0) if words[0].startswith("@") else ""
        if len(words) < 3 or marker not in ("", "@revoked"):
            return None
        try:
            blob = base64.b64decode(words[2], validate=True)
        except (binascii.Error, ValueError):
            return None
        names = tuple(words[0].split(","))
        return cls(text, names, HostKey(words[1], blob), marker == "@revoked")

    def is_for(self, labels: Sequence[str]) -> bool:
        """Return whether the line names the host with these labels."""
        return any(_matches(name, label) for name in self.names for label in labels)

    def without(self, labels: Sequence[str]) -> str:
        """Return the line without the host's name; "" when it names no other."""
        left = [n for n in self.names if not any(_matches(n, label) for label in labels)]
        return self.text.replace(",".join(self.names), ",".join(left), 1) if any(left) else ""

    def other_ports(self, host: str) -> list[str]:
        """Return the names under which the line has the same host, with whatever port."""
        lower = [name.lower() for name in self.names]
        return [n for n in lower if n == host.lower() or n.startswith(f"[{host.lower()}]:")]


@dataclass(frozen=True)
class KnownHosts:
    """The entries of known-hosts files; a new key is written to the first, `path`.

    `called` is the host as the user writes it, where that is not its name in the files.
    """

    path: Path
    entries: tuple[HostLine, ...] = ()
    called: str = ""

    @classmethod
    def read(cls, *paths: Path, called: str = "") -> KnownHosts:
        """Read `paths`; a file that does not exist has no entries.

        Raises HostKeyError when one exists and cannot be read, since no key could be checked then.
        """
        entries = (HostLine.parse(line) for path in paths for line in _lines(path))
        return cls(paths[0], tuple(entry for entry in entries if entry), called)

    def keys_for(self, host: str, port: int) -> tuple[HostKey, ...]:
        """Return the keys that are trusted for a camera."""
        return tuple(e.key for e in self._entries_for(host, port) if not e.revoked)

    def _entries_for(self, host: str, port: int) -> list[HostLine]:
        labels = labels_of(host, port)
        return [entry for entry in self.entries if entry.is_for(labels)]

    def trusts(self, host: str, port: int, key: HostKey) -> bool:
        """Return True when `key` is known for this camera, False when no key of it is.

        Raises HostKeyError when only other keys are known, or when this one is revoked.
        """
        entries = self._entries_for(host, port)
        if any(entry.revoked and entry.key.blob == key.blob for entry in entries):
            raise HostKeyError(
                f"the host key of {host} ({key.fingerprint}) is marked as revoked in {self.path}",
                "Do not connect to this address until you know whose key that is.",
            )
        known = [entry.key for entry in entries if not entry.revoked]
        if any(other.blob == key.blob for other in known):
            return True
        if not known:
            return False
        same_type = [other for other in known if other.key_type == key.key_type]
        before = (same_type or known)[0]
        raise HostKeyError(
            f"the host key of {label(host, port)} has changed: known is {before.fingerprint} "
            f"({before.key_type}), offered is {key.fingerprint} ({key.key_type}); "
            "nothing was sent to it",
            "If the camera was reset, or its firmware updated (from 0.2.1 on an update makes new "
            f"keys), forget the old key and connect again: {self._forget_command(host, port)}. "
            "Where several cameras use this address in turn, give each a file of its own: "
            "known_hosts in its table [camera.NAME]. Otherwise someone may stand between you and "
            "the camera.",
        )

    def _forget_command(self, host: str, port: int) -> str:
        words = ["recam", "forget-host", self.called or host_and_port(host.lower(), port)]
        if self.path != default_known_hosts():
            words += ["--known-hosts", str(self.path)]
        return shlex.join(words)


def known_hosts_of(camera: CameraSettings) -> tuple[KnownHosts, str, int]:
    """Read the known-hosts files of a camera; return them with its name and port there.

    The name is the HostKeyAlias, which goes without a port, if `~/.ssh/config` has one. Raises
    HostKeyError as `KnownHosts.read` does.
    """
    alias = camera.ssh.host_key_alias
    files = known_hosts_files(camera)
    if alias:
        return KnownHosts.read(*files, called=camera.ssh.alias), alias, 22
    return KnownHosts.read(*files), str(camera.host), camera.port


def known_hosts_files(camera: CameraSettings) -> tuple[Path, ...]:
    """Return the camera's known-hosts files: the setting's, those of ssh's config, recam's own.

    Where unknown keys are accepted without a question, ssh's own file goes with recam's: what ssh
    knows by another key is not new.
    """
    if camera.known_hosts:
        return (expanded(camera.known_hosts),)
    home = os.environ.get("HOME")
    if not camera.ssh.known_hosts and camera.ssh.host_key_policy == ACCEPT_NEW and home:
        return (default_known_hosts(), Path(home) / ".ssh" / "known_hosts")
    return camera.ssh.known_hosts or (default_known_hosts(),)


def verify(
    known: KnownHosts,
    host: str,
    port: int,
    key: HostKey,
    *,
    accept: bool,
    confirm: Confirm | None,
    policy: str = "",
) -> None:
    """Check a server's host key; store an unknown one that is accepted.

    `accept` accepts it without a question, `confirm` asks. `policy` is the StrictHostKeyChecking of
    ssh's config, weaker than `accept`: `accept-new` accepts, `yes` never asks. Raises HostKeyError
    when the key is unknown and not accepted, has changed, or is revoked.
    """
    if known.trusts(host, port, key):
        return
    accept = accept or policy == ACCEPT_NEW
    ask = None if policy == "yes" else confirm
    if not accept and not (ask and ask(label(host, port), key.key_type, key.fingerprint)):
        raise HostKeyError(
            f"the host key of {label(host, port)} is not known: {key.fingerprint} ({key.key_type})",
            "If you expect this camera there, run the command again with --accept-host-key."
            + _POLICY_NOTES.get(policy, ""),
        )
    remember(known.path, host, port, key)


def remember(path: Path, host: str, port: int, key: HostKey) -> None:
    """Append `key` to the file at `path`, with mode 0600 unless it is one of ssh's own.

    Raises HostKeyError when it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "r+b") as file:
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            if regular and not _is_ssh_own(path) and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), 0o600)
            before = file.read() if regular else b""
            gap = b"" if not before or before.endswith(b"\n") else b"\n"
            file.write(gap + key.line(label(host, port)).encode())
    except OSError as error:
        raise HostKeyError(
            f"the host key could not be written to {path}: {error.strerror or error}",
            "Make the folder writable, or name another file as camera.known_hosts.",
        ) from error


def _is_ssh_own(path: Path) -> bool:
    home = os.environ.get("HOME")
    return bool(home) and path.parent == Path(str(home)) / ".ssh"


def label(host: str, port: int) -> str:
    """Format a server's name for known-hosts files: `host`, or `[host]:port` unless port 22."""
    return host.lower() if port == 22 else _bracketed(host, port)


def labels_of(host: str, port: int) -> tuple[str, ...]:
    """Return the names of a server in known-hosts files; on port 22 the port may be written too."""
    return (_bracketed(host, port), *([host.lower()] if port == 22 else []))


def preferred_types(offered: Sequence[str], known: Sequence[HostKey]) -> list[str]:
    """Sort the key algorithms `offered`, those of known keys first.

    A server uses the first that it supports. So a camera that is known by its ed25519 key presents
    that key and not another, which would look like a changed one.
    """
    types = {name for key in known for name in _algorithms(key.key_type)}
    return sorted(offered, key=lambda name: name not in types)


def _algorithms(key_type: str) -> tuple[str, ...]:
    return _RSA_SIGNATURES if key_type == "ssh-rsa" else (key_type,)


def _bracketed(host: str, port: int) -> str:
    return f"[{host.lower()}]:{port}"


def _lines(path: Path) -> list[str]:
    try:
        # Not str.splitlines(), which also splits at characters that a comment may hold.
        return [line.decode("utf-8", "replace") for line in path.read_bytes().splitlines()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HostKeyError(
            f"the known-hosts file {path} cannot be read: {error.strerror or error}",
            "Correct its permissions, or name another file as camera.known_hosts.",
        ) from error


def _matches(name: str, wanted: str) -> bool:
    if not name.startswith("|1|"):
        return name.lower() == wanted
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in name[3:].split("|"))
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, wanted.encode(), hashlib.sha1).digest(), digest)
