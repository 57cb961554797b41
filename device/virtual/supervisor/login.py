"""Tell who may call what asks for a login.

Source: ``api_user.h`` and ``api_user.cpp``. The web page sends the password encrypted with
a key that every camera has, which hides it from nobody.
"""

from __future__ import annotations

import base64
import hmac
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import asyncssh
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ..layout import USER
from .replies import CallError

if TYPE_CHECKING:
    from ..layout import Layout

WEB_PAGE_KEY = b"zqCwT7H7!rNdP3wL"
BLOCK = 16
TRIES = 5
LOCKED_SECONDS = 60
TOKEN_SECONDS = 3 * 24 * 60 * 60
KEY_LIST = "/tmp/supervisor/sshkey"  # noqa: S108 - where the camera keeps it


def _cipher() -> Cipher[modes.ECB]:
    return Cipher(algorithms.AES(WEB_PAGE_KEY), modes.ECB())  # noqa: S305 - the camera's choice


def encrypt(password: str) -> str:
    """Encrypt a password as the web page sends it.

    That is AES-128, zeros up to a whole block, hexadecimal.
    """
    data = password.encode()
    data += bytes(BLOCK - len(data) % BLOCK)
    encryptor = _cipher().encryptor()
    return (encryptor.update(data) + encryptor.finalize()).hex()


def decrypt(text: str) -> bytes:
    """Decrypt a password.

    It is empty for what is not hexadecimal or no whole number of blocks.
    """
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return b""
    decryptor = _cipher().decryptor()
    data = decryptor.update(data[: len(data) - len(data) % BLOCK]) + decryptor.finalize()
    return data.rstrip(b"\0")


class Login:
    """Tokens given out, and how many tries are left before a minute's pause.

    ``place`` has the files that say what the password is and who may log in by a key, ``ssh`` is
    whether the SSH server is on; ``now`` tells seconds.
    """

    def __init__(
        self, place: Layout, *, ssh: bool = True, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._place = place
        self._ssh = ssh
        self._now = now
        self._tries = TRIES
        self._failed_at = 0.0
        self._tokens: dict[str, float] = {}

    def enter(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a token for a name and an encrypted password. Raises CallError."""
        name, password = body.get("userName", ""), body.get("password", "")
        if not isinstance(name, str) or not isinstance(password, str) or not name or not password:
            raise CallError("Username or password is empty.")
        self._check(name, password)
        self._place.first_login.unlink(missing_ok=True)
        token = base64.b64encode(os.urandom(64)).decode("ascii")
        self._tokens[token] = self._now()
        return {"token": token, "expire": TOKEN_SECONDS}

    def user_info(self) -> dict[str, Any]:
        """Answer ``queryUserInfo``, which needs no login.

        It says whether anybody has logged in yet, and whether the SSH server is on. Keys are listed
        by fingerprint, without their names.
        """
        return {
            "userName": USER,
            "firstLogin": self._place.first_login.exists(),
            "sshEnabled": self._ssh,
            "sshKeyFile": KEY_LIST,
            "sshkeyList": [
                {"id": str(number), "value": fingerprint, "name": "-", "addTime": "-"}
                for number, fingerprint in enumerate(self._fingerprints(), 1)
            ],
        }

    def _fingerprints(self) -> list[str]:
        try:
            keys = asyncssh.read_public_key_list(self._place.authorized_keys)
        except (OSError, ValueError):
            return []
        return [key.get_fingerprint() for key in keys]

    def accepts(self, token: str) -> bool:
        """Tell whether a token was given out less than three days ago."""
        given = self._tokens.get(token)
        if given is None:
            return False
        if given + TOKEN_SECONDS < self._now():
            del self._tokens[token]
            return False
        return True

    def _check(self, name: str, password: str) -> None:
        if self._tries == 0:
            if self._now() - self._failed_at < LOCKED_SECONDS:
                raise CallError("Login failed, please try again later.", {"retryCount": 0})
            self._tries = TRIES
        expected = self._place.password.read_bytes().rstrip(b"\n")
        right = hmac.compare_digest(decrypt(password), expected)
        if not right or name != USER:
            self._tries -= 1
            self._failed_at = self._now()
            raise CallError("Invalid username or password", {"retryCount": self._tries})
        self._tries = TRIES
