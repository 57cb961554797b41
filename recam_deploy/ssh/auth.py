"""Which ways into the camera are tried, in which order, and what is said when none leads in.

Keys first, then the password exactly once; what the server accepts decides. The network is behind
`AuthBackend`, which `connection` provides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from pydantic import SecretStr

from ..errors import AuthenticationError, SettingsError
from .session import PasswordOnce

_KeyT_contra = TypeVar("_KeyT_contra", contravariant=True)
_KeyT = TypeVar("_KeyT")

PASSWORD_WAYS = ("password", "keyboard-interactive")


class AuthBackend(Protocol[_KeyT_contra]):
    """A server that has not let us in yet.

    Each way in returns None when it was refused, else the methods that are wanted in addition:
    none of them when we are in.
    """

    def methods(self) -> tuple[str, ...]:
        """What the server accepts; nothing when it lets us in as we are."""

    def try_key(self, key: _KeyT_contra) -> tuple[str, ...] | None:
        """Offer one key."""

    def try_password(self, way: str, password: SecretStr) -> tuple[str, ...] | None:
        """Offer the password, by one of PASSWORD_WAYS."""

    @property
    def hung_up(self) -> bool:
        """Whether the server has closed the connection."""


class LockedKeyError(Exception):
    """A key file is protected by a passphrase."""


class UnusableKeyError(Exception):
    """A file is no private key that can be used; the reason is its text."""


class Keys(Generic[_KeyT]):
    """The keys there are: the named file's, the agent's, and those in `~/.ssh`.

    `load` reads one file, raising the two errors above. While iterating, SettingsError is raised
    when the named file is no usable private key; `notes` tell of those that are locked.
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
            yield from self._read(self._named.expanduser(), must=True)
        yield from self._agent()
        for name in ("id_ed25519", "id_ecdsa", "id_rsa"):
            path = Path.home() / ".ssh" / name
            if path.is_file():
                yield from self._read(path, must=False)

    def _read(self, path: Path, must: bool) -> list[_KeyT]:
        try:
            return [self._load(path)]
        except LockedKeyError:
            self.notes.append(f"{path} has a passphrase: add it to your SSH agent (ssh-add).")
        except UnusableKeyError as error:
            if must:
                raise SettingsError(
                    f"the key file {path} cannot be used: {error}",
                    "Name a private key in OpenSSH or PEM format (camera.key).",
                ) from error
        return []


class Login(Generic[_KeyT]):
    """One login of `user` at `host`, which may need a second connection after many keys.

    `offered` are the ways in that the server names at the beginning; `password` may be asked for
    again by sudo.
    """

    def __init__(self, host: str, user: str, password: PasswordOnce) -> None:
        self._host = host
        self._user = user
        self.password = password
        self._methods: tuple[str, ...] = ()
        self._keys_tried = 0
        self.offered: tuple[str, ...] = ()

    def with_keys(self, backend: AuthBackend[_KeyT], keys: Iterable[_KeyT]) -> bool:
        """Try every key; False when none leads in, or the server takes no keys."""
        self._methods = self.offered = backend.methods()
        if not self._methods:
            return True
        if "publickey" not in self._methods:
            return False
        for key in keys:
            self._keys_tried += 1
            wanted = backend.try_key(key)
            if wanted is not None:
                self._methods = wanted
                if not wanted or "publickey" not in wanted:
                    break
            if backend.hung_up:
                break
        return not self._methods

    def with_password(self, backend: AuthBackend[_KeyT], notes: Iterable[str] = ()) -> None:
        """Make one attempt with the password; `notes` are added to the hint where none is known.

        Raises AuthenticationError when that does not lead in.
        """
        way = next((way for way in PASSWORD_WAYS if way in self._methods), "")
        secret = self.password() if way else None
        if secret is None:
            raise self._no_way(bool(way), notes)
        wanted = backend.try_password(way, secret)
        if wanted is None:
            raise AuthenticationError(
                f"{self._host} refused the password of {self._user} (one attempt was made)",
                "The camera's first password is changed at the first login to its web page; set "
                "RECAM_PASSWORD, or use a key.",
            )
        if wanted:
            raise AuthenticationError(
                f"{self._host} wants more than the password: {', '.join(wanted)}",
                "Log in with a key instead.",
            )

    def _no_way(self, takes_password: bool, notes: Iterable[str]) -> AuthenticationError:
        accepted = ", ".join(self._methods)
        tried = f"{self._keys_tried} key(s) refused" if self._keys_tried else "no key to offer"
        if takes_password:
            message = f"{self._host} accepts {accepted}: {tried}, and no password was given"
            hint = "Set RECAM_PASSWORD, or run the command on a terminal to be asked."
        else:
            message = f"{self._host} accepts only {accepted}: {tried}"
            hint = "Add your public key to ~/.ssh/authorized_keys there, or set camera.key."
        return AuthenticationError(message, " ".join([hint, *notes]))


class OnePrompt:
    """Answers the one hidden question of a keyboard-interactive login, once.

    Raises ValueError when the server asks anything else.
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
