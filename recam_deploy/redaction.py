"""Replace secrets in logged text: a second safeguard, after not logging them at all.

Code that reads a password or token registers it with `keep_secret`. `redact` then replaces it in
any text, in plain form and in the encodings used on a connection. It also replaces what only its
context marks as secret: the user in a URL, an Authorization header.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
import urllib.parse
from typing import Protocol

_HIDDEN = "***"
# Shorter values occur in too many other words, and are no protection as a password.
_LEAST = 4
# The factory password is published, and is also the name of the user and of its home folder.
_PUBLIC = frozenset({"recamera"})
_WORD_LIMIT = 200

_SURROUNDINGS = (
    # user:password@ in a URL, up to the last @ before the path
    (re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]*://)[^/\s?#]*@"), rf"\1{_HIDDEN}@"),
    (
        re.compile(r"(?i)(\bauthorization\b[\"']?\s*[:=]\s*[\"']?)(?:\w+\s+)?[^\s\"',]+"),
        rf"\1{_HIDDEN}",
    ),
    (re.compile(r"(?i)(\bbearer\s+)[^\s\"',]+"), rf"\1{_HIDDEN}"),
    (
        re.compile(r"(?i)([?&;][\w.-]*(?:password|passwd|token|secret|apikey|api_key)=)[^&\s\"']*"),
        rf"\1{_HIDDEN}",
    ),
)

_known: dict[str, tuple[str, ...]] = {}


class Secret(Protocol):
    """pydantic's SecretStr, which modules without settings need not import."""

    def get_secret_value(self) -> str:
        """Return the secret in plain form."""


def keep_secret(secret: Secret | str | None) -> None:
    """Register a secret that `redact` replaces from now on; do nothing for None."""
    value = secret if isinstance(secret, str) or secret is None else secret.get_secret_value()
    if value and len(value) >= _LEAST and value not in _known and value not in _PUBLIC:
        _known[value] = tuple(sorted(_forms(value), key=len, reverse=True))


def redact(text: str) -> str:
    """Return `text` with registered secrets, and those marked by their context, replaced."""
    for forms in list(_known.values()):
        for form in forms:
            text = text.replace(form, _HIDDEN)
    for pattern, shown in _SURROUNDINGS:
        text = pattern.sub(shown, text)
    return text


def _forms(value: str) -> set[str]:
    data = value.encode("utf-8", errors="surrogateescape")
    # JSON may escape letters that are not ASCII, or not.
    forms = {value, repr(value)[1:-1], json.dumps(value)[1:-1]}
    forms |= {urllib.parse.quote(data, safe=""), urllib.parse.quote_plus(data)}
    forms |= {data.hex(), base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()}
    return forms


def command_text(words: tuple[str, ...]) -> str:
    """Return a command line in one line; a word that is a program's text is shortened."""
    return " ".join(_short(word) for word in words)


def _short(word: str) -> str:
    lines = word.strip().splitlines()
    first = lines[0] if lines else ""
    if len(lines) > 1 or len(first) > _WORD_LIMIT:
        return shlex.quote(f"{first[:_WORD_LIMIT]} …")
    return shlex.quote(word)
