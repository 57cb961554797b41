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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import HostKeyError

Confirm = Callable[[str, str, str], bool]
"""Asks about an unknown key: host, key type, fingerprint. True means: trust it."""

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
class _Entry:
    names: tuple[str, ...]
    key: HostKey
    revoked: bool

    def is_for(self, labels: Sequence[str]) -> bool:
        return any(_matches(name, label) for name in self.names for label in labels)


@dataclass(frozen=True)
class KnownHosts:
    """The entries of one known-hosts file."""

    path: Path
    entries: tuple[_Entry, ...] = ()

    @classmethod
    def read(cls, path: Path) -> KnownHosts:
        """Read `path`; a file that does not exist has no entries.

        Raises HostKeyError when it exists and cannot be read, since no key could be checked then.
        """
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return cls(path)
        except OSError as error:
            raise HostKeyError(
                f"the known-hosts file {path} cannot be read: {error.strerror or error}",
                "Correct its permissions, or name another file as camera.known_hosts.",
            ) from error
        parsed = (_entry(line) for line in text.splitlines())
        return cls(path, tuple(entry for entry in parsed if entry))

    def keys_for(self, host: str, port: int) -> tuple[HostKey, ...]:
        """Return the keys that are trusted for a camera."""
        return tuple(e.key for e in self._entries_for(host, port) if not e.revoked)

    def _entries_for(self, host: str, port: int) -> list[_Entry]:
        labels = [_bracketed(host, port), *([host.lower()] if port == 22 else [])]
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
            f"keys), remove the line of {label(host, port)} from {self.path} and connect again: "
            f"ssh-keygen -R '{label(host, port)}' -f '{self.path}'. Where several cameras use this "
            "address in turn, give each a file of its own: known_hosts in its table "
            "[camera.NAME]. Otherwise someone may stand between you and the camera.",
        )


def verify(
    known: KnownHosts,
    host: str,
    port: int,
    key: HostKey,
    *,
    accept: bool,
    confirm: Confirm | None,
) -> None:
    """Check a server's host key; store an unknown one that is accepted.

    `accept` accepts it without a question, `confirm` asks. Raises HostKeyError when it is unknown
    and not accepted, has changed, or is revoked.
    """
    if known.trusts(host, port, key):
        return
    if not accept and not (confirm and confirm(label(host, port), key.key_type, key.fingerprint)):
        raise HostKeyError(
            f"the host key of {label(host, port)} is not known: {key.fingerprint} ({key.key_type})",
            "If you expect this camera there, run the command again with --accept-host-key.",
        )
    remember(known.path, host, port, key)


def remember(path: Path, host: str, port: int, key: HostKey) -> None:
    """Append `key` to the file at `path`, with mode 0600.

    Raises HostKeyError when it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "r+b") as file:
            if hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), 0o600)
            before = file.read()
            gap = b"" if not before or before.endswith(b"\n") else b"\n"
            file.write(gap + key.line(label(host, port)).encode())
    except OSError as error:
        raise HostKeyError(
            f"the host key could not be written to {path}: {error.strerror or error}",
            "Make the folder writable, or name another file as camera.known_hosts.",
        ) from error


def label(host: str, port: int) -> str:
    """Format a server's name for known-hosts files: `host`, or `[host]:port` unless port 22."""
    return host.lower() if port == 22 else _bracketed(host, port)


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


def _entry(line: str) -> _Entry | None:
    words = line.split()
    if not words or words[0].startswith("#"):
        return None
    marker = words.pop(0) if words[0].startswith("@") else ""
    if len(words) < 3 or marker not in ("", "@revoked"):
        return None
    try:
        blob = base64.b64decode(words[2], validate=True)
    except (binascii.Error, ValueError):
        return None
    return _Entry(tuple(words[0].split(",")), HostKey(words[1], blob), marker == "@revoked")


def _matches(name: str, wanted: str) -> bool:
    if not name.startswith("|1|"):
        return name.lower() == wanted
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in name[3:].split("|"))
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, wanted.encode(), hashlib.sha1).digest(), digest)
