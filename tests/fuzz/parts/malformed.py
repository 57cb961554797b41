"""Input that is almost right: good documents and files with a few things done to them."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

fuzz = settings.get_profile("fuzz")
"""Put over a test: as many examples as `conftest` says."""

_EDGES = (b"", b"\0", b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x01\0\0\0", b"\r\n\r\n")


Edit = tuple[float, int, bytes]
_edits: st.SearchStrategy[list[Edit]] = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 8),
        st.sampled_from(_EDGES) | st.binary(max_size=8),
    ),
    max_size=6,
)


def damaged(good: bytes) -> st.SearchStrategy[bytes]:
    """`good` with pieces taken out, put in, put over, or cut off; sometimes anything at all."""

    def apply(edits: list[Edit], cut: float) -> bytes:
        data = good
        for where, length, piece in edits:
            at = int(where * len(data))
            data = data[:at] + piece + data[at + length :]
        return data[: int(len(data) * cut)] if cut < 0.2 else data

    return st.builds(apply, _edits, st.floats(0, 1)) | st.binary(max_size=200)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from((-1, 0, 1 << 31, 1 << 63, 10**400, math.inf, math.nan))
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(("", "\0", "\ud800", "../x", "a,b", "x" * 5000, "__proto__"))
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all that lies in a JSON value."""
    if path:
        yield path
    if isinstance(value, (dict, list)):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in inner:
            yield from _places(child, (*path, key))


@st.composite
def twisted(draw: st.DrawFn, good: Any) -> Any:
    """A JSON value with some of its parts replaced by others, removed, or doubled."""
    value = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(value))
        if not places:
            break
        *path, key = draw(st.sampled_from(places))
        outer = value
        for step in path:
            outer = outer[step]
        action = draw(st.sampled_from(("replace", "remove", "add")))
        if action == "remove":
            del outer[key]
        elif action == "add" and isinstance(outer, list):
            outer.append(draw(values))
        else:
            outer[key] = draw(values)
    return value


deep = st.just(100_000).map(lambda depth: b"[" * depth)


def documents(good: Any) -> st.SearchStrategy[bytes]:
    """JSON text: well formed with twisted content, or damaged as text."""
    text = twisted(good).map(lambda value: json.dumps(value).encode())
    return text | damaged(json.dumps(good).encode()) | deep
