"""The faults that must leave a whole model on the camera, and what must hold after each.

`table` tells which tests covered each of them; `conftest` fills it from the run itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

ROWS = {
    1: ("connection drops at byte 0, 1, the middle, the last of an upload", "old model active"),
    2: ("drop after the switch, before the record", "next run converges, uploads nothing"),
    3: ("our process killed at each step of a deployment", "old or new model at each"),
    4: ("disk full, before and during an upload", "free and needed are named; never left full"),
    5: ("one byte flipped on the way, same size", "found by sha256; no switch"),
    6: ("host key changed", "refused before any password is sent"),
    7: ("wrong password", "exactly one attempt"),
    8: ("server takes keys only", "the accepted methods are named"),
    9: ("wrong sudo password; sudo hangs", "told apart from 7; bounded; one attempt"),
    10: ("test binary lacks a library", "it is named; nothing replaced"),
    11: ("camera restarts during a run", "bounded wait; no partial result"),
    12: ("remote command hangs", "ended in time; nothing left running"),
    13: ("Node-RED down", "model stays; told as partly done"),
    14: ("401, expired token", "no retry loop; flows unchanged"),
    15: ("409 on a push", "the other editor's change survives"),
    16: ("connection lost after a push of flows", "read back before trying again"),
    17: ("read-only target", "found before anything is written"),
    18: ("camera clock at 1970, or in the future", "nothing depends on time"),
    19: ("two deployers at once", "one wins; the other names the holder"),
    20: ("stale lock", "dies with its owner; a live one is never stolen"),
    21: ("truncated or corrupt cvimodel", "refused on the host"),
    22: ("cvimodel for another chip", "refused before connecting"),
    23: ("model larger than the TPU's memory", "old model stays; both sizes shown"),
    24: ("corrupt ONNX; a tool writes nothing", "clear error; nothing cached"),
    25: ("names or output that are not UTF-8", "no crash; bytes preserved"),
    26: ("names with shell metacharacters", "exactly that name, or refused"),
    27: ("target or parent is a symbolic link", "what it points to is untouched"),
    28: ("picture truncated while fetched", "found; the last result kept"),
}


def row_of(test: str) -> int | None:
    """The row that a test's name begins with."""
    found = re.search(r"::test_row_(\d\d)_", test)
    return int(found[1]) if found else None


def table(outcomes: Iterable[tuple[str, str]]) -> str:
    """A Markdown table of the rows, from pairs of a test's id and its outcome."""
    counts: dict[int, dict[str, int]] = {}
    for test, outcome in outcomes:
        row = row_of(test)
        if row is not None:
            found = counts.setdefault(row, {})
            found[outcome] = found.get(outcome, 0) + 1
    lines = ["| # | Fault | What holds | Tests |", "|---|---|---|---|"]
    for row, (fault, holds) in ROWS.items():
        said = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.get(row, {}).items()))
        lines.append(f"| {row} | {fault} | {holds} | {said or 'not run'} |")
    return "\n".join(lines) + "\n"
