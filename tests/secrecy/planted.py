"""Where every password, token and other secret of the tests comes from.

All of them begin with a mark that is drawn anew for each session, so that whatever a secret got
into can be told by the mark, in the clear or in disguise; see `secrecy_plugin.py`.
"""

from __future__ import annotations

import base64
import functools
import secrets
import urllib.parse
from pathlib import Path

MARK = secrets.token_hex(8)

_drawn: dict[str, str] = {}
_issued: dict[str, str] = {}
_lawful: set[Path] = set()


def secret(what: str, ending: str = "") -> str:
    """A new secret; `what` it is, for reports. `ending` is for characters that tests care for."""
    value = f"{MARK}{secrets.token_hex(4)}{ending}"
    _drawn[value] = what
    return value


def issued(value: str, what: str) -> str:
    """A secret that a server under test has drawn itself, such as a token."""
    _issued[value] = what
    return value


def lawful(path: Path) -> Path:
    """Let this one file have secrets in it: a settings file of a test's, a server's own."""
    _lawful.add(path.absolute())
    return path


def is_lawful(path: Path) -> bool:
    """Whether a test said that secrets may be in this file."""
    return path.absolute() in _lawful


def keep(path: Path, text: str) -> Path:
    """Write a file that has a secret in it, for the eyes of its owner only."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return lawful(path)


CAMERA_PASSWORD = secret("the password of the virtual cameras")
WRONG = secret("a wrong password")


def camera_folder(folder: Path) -> Path:
    """Give a virtual camera that starts in `folder` `CAMERA_PASSWORD`, if it has no password."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if not (folder / "password").exists():
        keep(folder / "password", f"{CAMERA_PASSWORD}\n")
    lawful(folder / "password")
    return folder


@functools.cache
def disguises(text: str) -> dict[str, set[bytes]]:
    """By the name of the form, what lies in data in which `text` was put, whatever is around it.

    In base64 it looks one of three ways, by where in the data it begins; letters to which its
    neighbours add are left off. In JSON neither the mark nor a token has anything to escape.
    """
    plain = text.encode()
    coded = set()
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + plain)
        coded.add(whole[(8 * before + 5) // 6 : 8 * (before + len(plain)) // 6])
    return {
        "in the clear": {plain, urllib.parse.quote(text, safe="").encode()},
        "in base64": coded,
        "in hexadecimal": {plain.hex().encode(), plain.hex().upper().encode()},
        "in UTF-16": {text.encode("utf-16-le")},
    }


def found_in(data: bytes) -> str | None:
    """Which secret lies in `data` and how; `None` where there is none."""
    for text in (MARK, *_issued):
        for form, needles in disguises(text).items():
            if any(needle in data for needle in needles):
                return f"{_name(data, form, text)}, {form}"
    return None


def _name(data: bytes, form: str, text: str) -> str:
    """What the secret is, of which `text` was found."""
    if text in _issued:
        return _issued[text]
    for value, what in _drawn.items():
        core = value[: len(MARK) + 8]
        if any(needle in data for needle in disguises(core)[form]):
            return what
    return "a part of a secret"
