"""Log in: offer each key, then the password once, and explain a refusal.

The server names the methods that it accepts; no other is used. `AuthBackend` stands for the
network; `transport` implements it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from pydantic import SecretStr

from ..errors import AuthenticationError, SettingsError
from ..folders import NoHomeError, expanded, home
from ..redaction import keep_secret

_KeyT_contra = TypeVar("_KeyT_contra", contravariant=True)
_KeyT = TypeVar("_KeyT")

PASSWORD_METHODS = ("password", "keyboard-interactive")

PasswordAnswer = Callable[[], SecretStr | None]


class PasswordOnce:
    """A password that is asked for at most once, whatever its source."""

    def __init__(self, source: PasswordAnswer | SecretStr | None) -> None:
        self._source = source
        self._known: SecretStr | None = None
        self._asked = False

    def __call__(self) -> SecretStr | None:
        if not self._asked:
            self._asked = True
            self._known = self._source() if callable(self._source) else self._source
            keep_secret(self._known)
        return self._known


class AuthBackend(Protocol[_KeyT_contra]):
    """A server that we are not logged in to yet.

    Each `try_` method returns None for a refusal, else the methods that the server wants in
    addition; an empty tuple means that we are logged in.
    """

    def methods(self) -> tuple[str, ...]:
        """Return the methods that the server accepts; none when it needs no login."""

    def try_key(self, key: _KeyT_contra) -> tuple[str, ...] | None:
        """Offer one key."""

    def try_password(self, method: str, password: SecretStr) -> tuple[str, ...] | None:
        """Offer the password by one of PASSWORD_METHODS."""

    @property
    def closed_by_server(self) -> bool:
        """Whether the server has closed the connection."""


class LockedKeyError(Exception):
    """A key file is protected by a passphrase."""


class UnusableKeyError(Exception):
    """A file is no usable private key; the text of the error is the reason."""


class Keys(Generic[_KeyT]):
    """The private keys to offer: the named file's, the agent's, and those in `~/.ssh`.

    `load` reads one file; it raises LockedKeyError or UnusableKeyError. Iterating raises
    SettingsError when the named file is no usable private key. `notes` are hints about key files
    with a passphrase.
    """

    def __init__(
        self,
        named: Path | None,
        load: Callable[[Path], _KeyT],
        agent: Callable[[], Iterable[_KeyT]],
    ) -> None:
        self._named = named
        self._load = load
        self._agent = agent
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[_KeyT]:
        if self._named:
            yield from self._read(expanded(self._named), required=True)
        yield from self._agent()
        for path in _usual_files():
            yield from self._read(path, required=False)

    def _read(self, path: Path, required: bool) -> list[_KeyT]:
        try:
            return [self._load(path)]
        except LockedKeyError:
            self.notes.append(f"{path} has a passphrase: add it to your SSH agent (ssh-add).")
        except UnusableKeyError as error:
            if required:
                raise SettingsError(
                    f"the key file {path} cannot be used: {error}",
                    "Name a private key in OpenSSH or PEM format (camera.key).",
                ) from error
        return []


def _usual_files() -> Iterator[Path]:
    """List the key files in the user's home, which not every user has."""
    with contextlib.suppress(NoHomeError):
        for name in ("id_ed25519", "id_ecdsa", "id_rsa"):
            path = home() / ".ssh" / name
            if path.is_file():
                yield path


class SshLogin(Generic[_KeyT]):
    """One login of `user` at `host`; it may take a second connection after many keys.

    `offered` are the methods that the server accepts at first. `password` is kept, for sudo may
    ask for it later.
    """

    def __init__(self, host: str, user: str, password: PasswordOnce) -> None:
        self._host = host
        self._user = user
        self.password = password
        self._methods: tuple[str, ...] = ()
        self._keys_offered = 0
        self.offered: tuple[str, ...] = ()

    def with_keys(self, backend: AuthBackend[_KeyT], keys: Iterable[_KeyT]) -> bool:
        """Offer every key; return False when the server accepts none of them."""
        self._methods = self.offered = backend.methods()
        if not self._methods:
            return True
        if "publickey" not in self._methods:
            return False
        for key in keys:
            self._keys_offered += 1
            wanted = backend.try_key(key)
            if wanted is not None:
                self._methods = wanted
                if not wanted or "publickey" not in wanted:
                    break
            if backend.closed_by_server:
                break
        return not self._methods

    def with_password(self, backend: AuthBackend[_KeyT], notes: Iterable[str] = ()) -> None:
        """Offer the password once.

        Raises AuthenticationError when the server refuses it, wants more than it, or takes none,
        and when no password is known; the hint then ends with `notes`.
        """
        method = next((name for name in PASSWORD_METHODS if name in self._methods), "")
        secret = self.password() if method else None
        if secret is None:
            raise self._no_method_left(bool(method), notes)
        wanted = backend.try_password(method, secret)
        if wanted is None:
            raise AuthenticationError(
                f"{self._host} refused the password of {self._user} (one attempt was made)",
                "Set RECAM_PASSWORD, or use a key. The first login to the camera's web page "
                "changes its first password.",
            )
        if wanted:
            raise AuthenticationError(
                f"{self._host} wants more than the password: {', '.join(wanted)}",
                "Log in with a key instead.",
            )

    def _no_method_left(self, takes_password: bool, notes: Iterable[str]) -> AuthenticationError:
        accepted = ", ".join(self._methods)
        count = self._keys_offered
        keys = f"{count} key(s) refused" if count else "no key to offer"
        if takes_password:
            message = f"{self._host} accepts {accepted}: {keys}, and no password was given"
            hint = "Set RECAM_PASSWORD, or run the command on a terminal to be asked."
        else:
            message = f"{self._host} accepts only {accepted}: {keys}"
            hint = "Add your public key to ~/.ssh/authorized_keys there, or set camera.key."
        return AuthenticationError(message, " ".join([hint, *notes]))


class OnePrompt:
    """The answer to the one hidden prompt of a keyboard-interactive login.

    Calling it raises ValueError when the server asks anything else, or asks again.
    """

    def __init__(self, secret: SecretStr) -> None:
        self._secret: SecretStr | None = secret

    def __call__(self, title: str, instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
        if not prompts:
            return []
        secret, self._secret = self._secret, None
        if secret is None or len(prompts) != 1 or prompts[0][1]:
            raise ValueError("unexpected questions")
        return [secret.get_secret_value()]
