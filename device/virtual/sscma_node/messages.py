"""Messages on MQTT: their types, error codes, and reading values out of their JSON."""

from __future__ import annotations

import json
import math
from enum import IntEnum
from typing import Any, TypeGuard

Json = Any  # whatever json.loads returns

_DIGITS_OF_64_BITS = 19


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
    """A message as the camera writes it: no spaces, keys in alphabetical order."""
    message = {"type": int(kind), "name": name, "code": int(code), "data": data}
    return json.dumps(message, separators=(",", ":"), sort_keys=True).encode()


def decode(payload: bytes) -> Json:
    """What a payload says. ValueError for what the camera's JSON library does not take either:
    numbers that are none, or too large for any."""
    return json.loads(payload, parse_constant=_finite, parse_float=_finite, parse_int=_whole)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is out of range")
    return value


def _whole(text: str) -> int | float:
    """Beyond 64 bits a whole number is kept as a float."""
    return int(text) if len(text) < _DIGITS_OF_64_BITS else _finite(text)


def _kind_of(value: Json) -> str:
    """What the camera's JSON library calls a value's type."""
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


def number(config: dict[str, Json], key: str, default: float) -> float:
    """A number that may be missing but not be of another type. Raises NodeError."""
    value = config.get(key, default)
    if not is_number(value):
        raise _refuse("number", value)
    return float(value)


def flag(config: dict[str, Json], key: str, default: bool) -> bool:
    """A truth value that may be missing but not be of another type. Raises NodeError."""
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise _refuse("boolean", value)
    return value


def text(config: dict[str, Json], key: str, default: str) -> str:
    """A string that may be missing but not be of another type. Raises NodeError."""
    value = config.get(key, default)
    if not isinstance(value, str):
        raise _refuse("string", value)
    return value


def strings(value: Json) -> list[str]:
    """A list of strings. Raises NodeError."""
    if not isinstance(value, list):
        raise _refuse("array", value)
    for element in value:
        if not isinstance(element, str):
            raise _refuse("string", element)
    return list(value)


def numbers(value: list[Json]) -> list[int]:
    """A list's numbers, cut to integers. Raises NodeError."""
    for element in value:
        if not is_number(element):
            raise _refuse("number", element)
    return [int(element) for element in value]
