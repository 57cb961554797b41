"""Read and write messages on MQTT: their types, error codes, and values of their JSON."""

from __future__ import annotations

import json
import math
from enum import IntEnum
from typing import Any, TypeGuard

Json = Any  # whatever json.loads returns

_SPACE = " \t\r\n"
_DIGITS_OF_64_BITS = 20
_64_BITS = range(-(2**63), 2**64)
_32_BITS = range(-(2**31), 2**31)


class Kind(IntEnum):
    """``ma_msg_type_t``."""

    RESPONSE = 0
    EVENT = 1
    LOG = 2
    REQUEST = 3
    HEARTBEAT = 4


class Code(IntEnum):
    """``ma_err_t``."""

    OK = 0
    AGAIN = 1
    LOGIC = 2
    TIMEOUT = 3
    IO = 4
    INVALID = 5
    NO_MEMORY = 6
    BUSY = 7
    NOT_SUPPORTED = 8
    NOT_PERMITTED = 9
    NO_ENTITY = 10
    EXISTS = 11
    OVERFLOW = 12


class NodeError(Exception):
    """A request that failed: what the reply to it says."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def encode(kind: Kind, name: str, data: Json, code: Code = Code.OK) -> bytes:
    """Encode a message as the camera does: no spaces, keys in alphabetical order, UTF-8."""
    message = {"type": int(kind), "name": name, "code": int(code), "data": data}
    text = json.dumps(message, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text.encode(errors="replace")


def decode(payload: bytes) -> Json:
    """Decode a request as the camera's JSON library does. It reads a C string: a zero ends it.

    Raises ValueError for what that library does not take either: another encoding than UTF-8, half
    a surrogate pair, numbers that are none or too large for any.
    """
    text = payload.partition(b"\0")[0].decode("utf-8-sig")
    value, end = _decode_at_start(text)
    if text[end:].strip(_SPACE):
        raise ValueError("more follows the JSON")
    return value


def decode_first(data: bytes) -> Json:
    """Decode the JSON at the start of a file; what follows it is not looked at.

    Raises ValueError.
    """
    return _decode_at_start(data.decode("utf-8-sig"))[0]


def _decode_at_start(text: str) -> tuple[Json, int]:
    """Decode a value and tell where it ends. Raises ValueError."""
    decoder = json.JSONDecoder(parse_constant=_finite, parse_float=_finite, parse_int=_whole)
    value, end = decoder.raw_decode(text, len(text) - len(text.lstrip(_SPACE)))
    json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair has no UTF-8
    return value, end


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is out of range")
    return value


def _whole(text: str) -> int | float:
    """Read a whole number; beyond 64 bits it is kept as a float."""
    if len(text.lstrip("-")) <= _DIGITS_OF_64_BITS and int(text) in _64_BITS:
        return int(text)
    return _finite(text)


def _kind_of(value: Json) -> str:
    """Name a value's type as the camera's JSON library does."""
    if value is None:
        return "null"
    for type_, name in ((bool, "boolean"), (str, "string"), (list, "array"), (dict, "object")):
        if isinstance(value, type_):
            return name
    return "number"


def _refuse(wanted: str, value: Json) -> NodeError:
    text = f"[json.exception.type_error.302] type must be {wanted}, but is {_kind_of(value)}"
    return NodeError(Code.INVALID, text)


def is_number(value: Json) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_whole(value: Json) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def number(config: dict[str, Json], key: str, default: float) -> float:
    """Read a number that may be missing; true is 1. Raises NodeError."""
    value = config.get(key, default)
    if not isinstance(value, (int, float)):
        raise _refuse("number", value)
    return float(value)


def flag(config: dict[str, Json], key: str, default: bool) -> bool:
    """Read a truth value that may be missing but not be of another type. Raises NodeError."""
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise _refuse("boolean", value)
    return value


def text(config: dict[str, Json], key: str, default: str) -> str:
    """Read a string that may be missing but not be of another type. Raises NodeError."""
    value = config.get(key, default)
    if not isinstance(value, str):
        raise _refuse("string", value)
    return value


def strings(value: Json) -> list[str]:
    """Read a list of strings. Raises NodeError."""
    if not isinstance(value, list):
        raise _refuse("array", value)
    for element in value:
        if not isinstance(element, str):
            raise _refuse("string", element)
    return list(value)


def text_or(config: dict[str, Json], key: str, default: str) -> str:
    """Read a string; a value of another type counts as missing."""
    value = config.get(key)
    return value if isinstance(value, str) else default


def numbers(value: list[Json]) -> list[int]:
    """Read a list's numbers as 16-bit integers; true is 1. Raises NodeError."""
    for element in value:
        if not isinstance(element, (int, float)):
            raise _refuse("number", element)
    return [short(element) for element in value]


def short(value: float) -> int:
    """Convert a number to the camera's 16-bit integer.

    Of an integer the lower 16 bits are left. A float is converted to 32 bits first: RISC-V
    saturates there, and takes NaN for the largest.
    """
    if isinstance(value, float):
        value = _32_BITS[-1] if math.isnan(value) else _saturated(value)
    return wrapped(value, 16)


def wrapped(value: int, bits: int) -> int:
    """Cut an integer to its lower bits, read as a signed integer."""
    half = 1 << (bits - 1)
    return (value + half) % (1 << bits) - half


def _saturated(value: float) -> int:
    return int(max(_32_BITS[0], min(_32_BITS[-1], value)))
