"""Log in: offer each key, then the password once, and explain a refusal.

The server names the methods that it accepts; no other is used. `AuthBackend` stands for the
network; `transport` implements it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from pydantic import SecretStr

from ..errors import AuthenticationError, ConnectionFailedError
from ..redaction import keep_secret

MOST_CONNECTIONS = 5  # for keys; servers slow down or refuse a client that fails often
_NOT_A_PASSWORD = re.compile(
    r"\b(code|token|otp|totp|pin|passcode|one.?time|verification|2fa|factor|challenge)\b", re.I
)
_CHANGE = re.compile(r"\b(new|current|old|retype|re-?enter)\b.*password|password.*\bagain\b", re.I)
_PROMPT_LIMIT = 100

_KeyT_contra = TypeVar("_KeyT_contra", contravariant=True)
_KeyT = TypeVar("_KeyT")

PASSWORD_METHODS = ("password", "keyboard-interactive")

PasswordAnswer = Callable[[], SecretStr | None]


class SourcedPassword(SecretStr):
    """A password, and where it was set, such as `RECAM_PASSWORD`; "" where a user typed it."""

    def __init__(self, value: str, source: str) -> None:
        super().__init__(value)
        self.source = source


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

    @property
    def correction(self) -> str:
        """A sentence that says where to correct a refused password; "" where that is unknown."""
        source = getattr(self._known, "source", "")
        return f"The password comes from {source}: correct it there. " if source else ""


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
        """Offer the password by one of PASSWORD_METHODS.

        Raises OtherQuestionError when the server asks for something else.
        """

    @property
    def closed_by_server(self) -> bool:
        """Whether the server has closed the connection."""


class SshLogin(Generic[_KeyT]):
    """One login of `user` at `host`; it may take a second connection after many keys.

    `offered` are the methods that the server accepts at first. `password` is kept, for sudo may
    ask for it later.
    """

    def __init__(self, host: str, user: str, password: PasswordOnce, port: int = 22) -> None:
        self._host = host
        self._user = user
        self._port = port
        self.password = password
        self._methods: tuple[str, ...] = ()
        self._keys_offered = 0
        self._keys_left = 0
        self._connections = 0
        self.offered: tuple[str, ...] = ()

    def with_keys(self, backend: AuthBackend[_KeyT], keys: Iterable[_KeyT]) -> bool:
        """Offer key after key until the server accepts one or hangs up; return whether we are in.

        `keys` that are left may be offered over another connection.
        """
        self._methods = backend.methods()
        self.offered = self.offered or self._methods
        if not self._methods:
            return True
        if "publickey" not in self._methods:
            return False
        self._connections += 1
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

    def may_go_on(self, backend: AuthBackend[_KeyT]) -> bool:
        """Return whether the server hung up over keys, and another connection may be tried."""
        return (
            backend.closed_by_server
            and "publickey" in self._methods
            and self._connections < MOST_CONNECTIONS
        )

    def left_untried(self, count: int) -> None:
        """Record that `count` keys were never offered."""
        self._keys_left = count

    def shut_out(self, error: ConnectionFailedError) -> AuthenticationError:
        """Return the error for a server that takes no new connection after refusing keys."""
        return AuthenticationError(
            f"{self._host} hung up after {self._keys_offered} refused key(s), and then took no "
            f"new connection: {error.message}",
            f"Name the right key with --key. {error.hint}",
        )

    def with_password(self, backend: AuthBackend[_KeyT], notes: Iterable[str] = ()) -> None:
        """Offer the password once.

        Raises AuthenticationError when the server refuses it, wants more than it, or takes none,
        and when no password is known; the hint then ends with `notes`.
        """
        method = next((name for name in PASSWORD_METHODS if name in self._methods), "")
        secret = self.password() if method else None
        if secret is None:
            raise self._no_method_left(bool(method), notes)
        try:
            wanted = backend.try_password(method, secret)
        except OtherQuestionError as error:
            raise self._asked(error) from error
        if wanted is None:
            raise AuthenticationError(
                f"{self._host} refused the password of {self._user} (one attempt was made)",
                " ".join([self._other_login(), *self._untried()]),
            )
        if wanted:
            raise AuthenticationError(
                f"{self._host} asks for more than a password: {', '.join(wanted)}",
                "Log in with a key instead.",
            )

    def _no_method_left(self, takes_password: bool, notes: Iterable[str]) -> AuthenticationError:
        accepted = ", ".join(self._methods)
        count = self._keys_offered
        keys = f"{count} key(s) refused" if count else "no key to offer"
        if self._keys_left:
            keys += f", {self._keys_left} left untried"
        if takes_password:
            message = f"{self._host} accepts {accepted}: {keys}, and no password was given"
            hint = "Set RECAM_PASSWORD, or run the command on a terminal to be asked."
        else:
            message = f"{self._host} accepts only {accepted}: {keys}"
            hint = "Add your public key to ~/.ssh/authorized_keys there, or set camera.key."
        return AuthenticationError(message, " ".join([*self._untried(), *notes, hint]))

    def _other_login(self) -> str:
        """Return what to do about a refused password."""
        correction = self.password.correction or "Give another one (RECAM_PASSWORD). "
        port = "" if self._port == 22 else f"-p {self._port} "
        return (
            f"{correction}The first login to the camera's web page changes its first password. "
            f"With a key none is needed: `ssh-copy-id {port}{self._user}@{self._host}` stores "
            "yours there, and --key names another one."
        )

    def _untried(self) -> list[str]:
        if not self._keys_left:
            return []
        return [
            f"{self._keys_left} key(s) were left untried, since the server hung up "
            f"{self._connections} times: --key names the right one."
        ]

    def _asked(self, error: OtherQuestionError) -> AuthenticationError:
        if error.changes_password:
            return password_expired(self._host, self._user)
        return AuthenticationError(
            f"{self._host} asks for more than a password: {error}",
            "Log in with a key instead.",
        )


def password_expired(host: str, user: str) -> AuthenticationError:
    """Return the error for a server that demands a new password before anything else."""
    return AuthenticationError(
        f"{host} demands a new password for {user}: the old one has expired",
        f"Log in once by hand (ssh {user}@{host}) and set a new one, then give recam that one. "
        "The first login to the camera's web page changes it too.",
    )


def says_expired(output: str) -> bool:
    """Return whether a program's output is sshd's or PAM's demand for a new password."""
    found = re.search(
        r"password (has )?expired|password change required|required to change your password",
        output,
        re.IGNORECASE,
    )
    return bool(found)


class OtherQuestionError(ValueError):
    """The server asks for something else than the password; the error's text is its question."""

    def __init__(self, question: str) -> None:
        printable = "".join(c if c.isprintable() else " " for c in question[:_PROMPT_LIMIT])
        super().__init__(" ".join(printable.split()) or "an empty question")
        self.changes_password = bool(_CHANGE.search(question))


class OnePrompt:
    """The answer to the one hidden prompt of a keyboard-interactive login.

    Calling it raises OtherQuestionError when the server asks anything else, and ValueError when it
    asks the same again, which refuses the answer.
    """

    def __init__(self, secret: SecretStr) -> None:
        self._secret: SecretStr | None = secret
        self._answered = ""

    def __call__(self, title: str, instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
        if not prompts:
            return []
        if says_expired(f"{title} {instructions}"):
            raise OtherQuestionError("New password:")
        other = next((text for text, shown in prompts if shown or _NOT_A_PASSWORD.search(text)), "")
        if other or len(prompts) > 1:
            raise OtherQuestionError(other or prompts[1][0])
        (question, _), secret = prompts[0], self._secret
        if _CHANGE.search(question) or (secret is None and question != self._answered):
            raise OtherQuestionError(question)
        if secret is None:
            raise ValueError("the same question again")
        self._secret, self._answered = None, question
        return [secret.get_secret_value()]
