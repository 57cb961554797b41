"""Host keys of cameras, kept in a known-hosts file of ours in OpenSSH's format (sshd(8)).

Plain and hashed host names and `@revoked` lines are read; lines with patterns or certificate
authorities are left alone. A key is added only when the user said so, and never replaced by us.
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
"""Asked about an unknown key: host, key type, fingerprint; True when it may be trusted."""

_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")


@dataclass(frozen=True)
class HostKey:
    """A public host key: its type, such as `ssh-ed25519`, and its bytes as SSH sends them."""

    key_type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """`SHA256:...` as `ssh-keygen -l` shows it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")
        return f"SHA256:{digest}"

    def line(self, label: str) -> str:
        """The known-hosts line for this key."""
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
    """What one known-hosts file says."""

    path: Path
    entries: tuple[_Entry, ...] = ()

    @classmethod
    def read(cls, path: Path) -> KnownHosts:
        """Read `path`; a file that does not exist knows no host.

        Raises HostKeyError when it exists and cannot be read: to go on would be to trust blindly.
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
        """The keys that are trusted for a camera."""
        return tuple(e.key for e in self._entries_for(host, port) if not e.revoked)

    def _entries_for(self, host: str, port: int) -> list[_Entry]:
        labels = [_bracketed(host, port), *([host.lower()] if port == 22 else [])]
        return [entry for entry in self.entries if entry.is_for(labels)]

    def trusts(self, host: str, port: int, key: HostKey) -> bool:
        """Whether `key` is known for this camera; False when no key of it is known.

        Raises HostKeyError when another key is known, or when this one is marked as revoked.
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
            f"If the camera was reset, remove the line of {label(host, port)} from {self.path} and "
            "connect again. Where several cameras use this address in turn, give each a file of "
            "its own: known_hosts in its table [camera.NAME]. Otherwise someone may stand between "
            "you and the camera.",
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
    """Return when `key` may be trusted, and remember it when it was not known before.

    Raises HostKeyError when it is unknown and nobody accepts it, has changed, or is revoked.
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
    """Append `key` to the file at `path`, which only its owner may read afterwards.

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
    """How known-hosts files name a server: `host`, or `[host]:port` off the standard port."""
    return host.lower() if port == 22 else _bracketed(host, port)


def preferred_types(offered: Sequence[str], known: Sequence[HostKey]) -> list[str]:
    """`offered` key algorithms, those first whose key we know.

    A server picks the first it has, so a camera that is known by its ed25519 key is asked for
    that one and does not show up with another.
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
