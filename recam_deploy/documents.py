"""Parse JSON and TOML that others wrote: whatever is wrong with it is one ValueError.

For zip archives, `ZIP_ERRORS` is what reading one may raise.

The parsers of the standard library also raise RecursionError, and accept what JSON does not have
(NaN, Infinity), numbers that no float holds, and keys that stand twice.
"""

from __future__ import annotations

import json
import lzma
import math
import struct
import sys
import zipfile
import zlib
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
    SyntaxError,  # numpy's, for the header of an array
    RuntimeError,  # zipfile's, for encrypted entries; with RecursionError and NotImplementedError
)
"""What zipfile, and numpy on it, raise for a damaged or hostile archive."""

_DEPTH = 100  # what handles a value later, such as json.dumps, calls itself for each level
_DIGITS = 40


def parse_json(data: str | bytes, *, unique: bool = False, any_number: bool = False) -> Any:
    """Parse a JSON document; with `unique`, refuse an object that has a key twice.

    With `any_number`, NaN, Infinity and numbers that no float holds are left to the caller; this is
    also several times as fast. Raises ValueError, with a reason of one line, for all that cannot be
    used.
    """
    checks: dict[str, Any] = {
        "parse_constant": _refuse_constant,
        "parse_float": _finite,
        "parse_int": _integer,
    }
    if any_number:
        checks = {}
    try:
        value = json.loads(data, object_pairs_hook=_without_repeats if unique else None, **checks)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    _refuse_depth(value)
    return value


def parse_toml(text: str) -> dict[str, Any]:
    """Parse a TOML document. Raises ValueError as `parse_json` does."""
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:
        # Python's own advice on long numbers is of no use to a user.
        raise ValueError(
            "a number has too many digits" if "integer string conversion" in str(error) else error
        ) from error
    _refuse_depth(document)
    return document


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"the number {text[:20]}… is too large")
    return int(text)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:80]!r} stands twice")
        found[key] = value
    return found


def _refuse_depth(value: Any) -> None:
    """Raise ValueError for lists and dictionaries nested deeper than `_DEPTH`."""
    level = [value]
    for _ in range(_DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ValueError("it is nested too deeply")
