"""Choose the private keys to offer, in which order, and explain a key file that cannot be used."""

from __future__ import annotations

import base64
import binascii
import os
import re
import shlex
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from ..errors import SettingsError
from ..folders import expanded
from ..settings import CameraSettings

_KeyT = TypeVar("_KeyT")

SIZE_LIMIT = 1 << 20
_USUAL = ("id_ed25519", "id_ecdsa", "id_rsa")
_PUBLIC = re.compile(rb"(ssh-|ecdsa-|sk-)[\w.@-]+ +([A-Za-z0-9+/=]+)")
_OPENSSH = re.compile(
    rb"-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END OPENSSH PRIVATE KEY-----"
)


class LockedKeyError(Exception):
    """A key file is protected by a passphrase."""


class UnusableKeyError(Exception):
    """A file is no usable private key; the text of the error is the reason.

    `remedy` is what to do about it, where that is known.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.remedy = remedy


class Keys(Generic[_KeyT]):
    """The private keys to offer: those of named files, the agent's, and those in `~/.ssh`.

    `load` reads one file, whose key may have a certificate: that counts as a second key. It raises
    LockedKeyError or UnusableKeyError; the agent may still hold such a key. `identity` tells keys
    apart, none is offered twice. Iterating raises SettingsError when the file that the settings
    name is no usable private key. `notes` are hints about files that could not be used.
    """

    def __init__(
        self,
        camera: CameraSettings,
        load: Callable[[Path], Iterable[_KeyT]],
        agent: Callable[[], Iterable[_KeyT]],
        identity: Callable[[_KeyT], Hashable] = lambda key: key,
    ) -> None:
        self._camera = camera
        self._load = load
        self._agent = agent
        self._identity = identity
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[_KeyT]:
        offered: set[Hashable] = set()
        for key in self._all():
            if self._identity(key) not in offered:
                offered.add(self._identity(key))
                yield key

    def _all(self) -> Iterator[_KeyT]:
        options = self._camera.ssh
        if self._camera.key:
            yield from self._read(expanded(self._camera.key), required=True)
        for path in options.keys:
            yield from self._read(path, required=False)
        if not options.identities_only:
            yield from self._agent()
        home = os.environ.get("HOME")
        for name in _USUAL if home and not options.keys else ():
            path = Path(str(home)) / ".ssh" / name
            yield from self._read(path, required=False)

    def _read(self, path: Path, required: bool) -> Iterator[_KeyT]:
        if not required and not path.is_file():
            return
        try:
            keys = list(self._load(path))
        except (LockedKeyError, UnusableKeyError) as error:
            held = self._held_by_agent(path)
            key = next(held, None)
            if key is None:
                self._explain(path, error, required)
            else:
                yield key  # while `held` lives, so does the connection to the agent
            return
        yield from keys

    def _held_by_agent(self, path: Path) -> Iterator[_KeyT]:
        """Return the agent's key for a file of which it holds the other half."""
        blob = public_blob(path) or public_blob(path.with_name(path.name + ".pub"))
        return (key for key in (self._agent() if blob else ()) if self._identity(key) == blob)

    def _explain(self, path: Path, error: Exception, required: bool) -> None:
        if isinstance(error, LockedKeyError):
            self.notes.append(_locked(path))
        elif required:
            remedy = getattr(error, "remedy", "")
            raise SettingsError(
                f"the key file {path} cannot be used: {error}",
                remedy or "Name a private key in OpenSSH or PEM format (camera.key).",
            ) from error
        else:
            self.notes.append(f"{path} was left out: {error}.")


def read_key_file(path: Path) -> bytes:
    """Read a private key file, with the ends of its lines as Unix has them.

    Raises UnusableKeyError when it cannot be read, or is of a kind that no login can use.
    """
    try:
        if path.exists() and not path.is_file():
            raise UnusableKeyError("it is no file")
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise UnusableKeyError(
            error.strerror or str(error), "Check the path (--key, camera.key) and its permissions."
        ) from error
    if len(data) > SIZE_LIMIT:
        raise UnusableKeyError("it is too large for a key")
    text = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").strip() + b"\n"
    _refuse_other_kinds(path, text)
    return text


def damaged(path: Path) -> UnusableKeyError:
    """Return the error for a key file that no reader understands."""
    return UnusableKeyError(
        "it is damaged, or of a kind that cannot log in",
        f"Look whether ssh can read it (ssh-keygen -y -f {shlex.quote(str(path))}); `ssh-keygen -t "
        "ed25519` makes a new one, whose .pub the camera must know.",
    )


def public_blob(path: Path) -> bytes | None:
    """Return the key in a public key file, as SSH sends it; None when it is no such file."""
    try:
        with path.open("rb") as file:
            return _blob(file.read(SIZE_LIMIT))
    except OSError:
        return None


def _blob(data: bytes) -> bytes | None:
    found = _PUBLIC.match(data.strip())
    try:
        return base64.b64decode(found[2], validate=True) if found else None
    except binascii.Error:
        return None


def _refuse_other_kinds(path: Path, text: bytes) -> None:
    quoted = shlex.quote(str(path))
    putty = re.match(rb"PuTTY-User-Key-File-(\d)", text)
    if putty:
        target = shlex.quote(str(path.with_suffix(".openssh")))
        raise UnusableKeyError(
            f"it is a PuTTY key (PPK version {putty[1].decode()})",
            f"Convert it: puttygen {quoted} -O private-openssh -o {target}, then name {target}.",
        )
    if not text.strip():
        raise UnusableKeyError("it is empty")
    if _PUBLIC.match(text):
        private = re.sub(r"(-cert)?\.pub$", "", str(path))
        what = "a certificate" if b"-cert-v01@" in text.split()[0] else "a public key"
        raise UnusableKeyError(
            f"it is {what}, and its private key is not in the SSH agent",
            f"Name the private key {private}."
            if private != str(path)
            else "Name the private key, which ssh-keygen writes beside it without .pub; or add it "
            "to the SSH agent (ssh-add).",
        )
    if text.startswith(b"---- BEGIN SSH2"):
        raise UnusableKeyError(
            "it is a key in the format of SSH.com",
            f"Convert it: ssh-keygen -i -f {quoted}",
        )
    openssh = _OPENSSH.search(text)
    if openssh and _is_security_key(openssh[1]):
        raise UnusableKeyError(
            "it belongs to a security key, which only the SSH agent can use",
            f"Plug the security key in and run: ssh-add {quoted}",
        )


def _is_security_key(body: bytes) -> bool:
    try:
        data = base64.b64decode(b"".join(body.split()))
    except binascii.Error:
        return False
    return b"sk-ssh-ed25519@openssh.com" in data or b"sk-ecdsa-sha2-nistp256@openssh.com" in data


def _locked(path: Path) -> str:
    quoted = shlex.quote(str(path))
    start = "" if os.environ.get("SSH_AUTH_SOCK") else 'start one with eval "$(ssh-agent)", then '
    return (
        f"{path} has a passphrase: add it to your SSH agent ({start}ssh-add {quoted}), or remove "
        f"the passphrase (ssh-keygen -p -f {quoted})."
    )
