"""Count how often a command goes from one of our files to another, loops collapsed.

    python tests/bench/hops.py deploy MODEL.json            # against the camera of the settings
    python tests/bench/hops.py flow push --yes
    python tests/bench/hops.py convert MODEL.onnx --calibration PICTURES/

A hop is a call from a function in one file of recam_deploy to a function in another, on the main
thread. A run of hops that repeats at once is counted once. Prints the count and the pairs of files
with the most hops; with RECAM_HOPS=1 also the hops themselves, in their order.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import recam_deploy

PACKAGE = Path(recam_deploy.__file__).parent
LONGEST_LOOP = 60
SHOWN_PAIRS = 10
Hop = tuple[str, str]


class Recorder:
    """Records each hop: a profile function for `sys.setprofile`."""

    def __init__(self) -> None:
        self.hops: list[Hop] = []
        self._names: dict[str, str] = {}

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Take note of a call from one of our files to another."""
        if event != "call" or frame.f_code.co_name == "<module>":
            return
        there = self._name(frame)
        here = self._caller(frame) if there else ""
        if here and here != there:
            self.hops.append((here, there))

    def _name(self, frame: FrameType) -> str:
        """Return the file's path in the package; "" for files of others."""
        file = frame.f_code.co_filename
        if file not in self._names:
            path = Path(file)
            inside = path.is_relative_to(PACKAGE)
            self._names[file] = str(path.relative_to(PACKAGE)) if inside else ""
        return self._names[file]

    def _caller(self, frame: FrameType) -> str:
        """Return the nearest file of ours below this frame."""
        below = frame.f_back
        while below and not self._name(below):
            below = below.f_back
        return self._name(below) if below else ""


def main() -> int:
    """Run the command, then print the number of hops to stderr."""
    from recam_deploy.cli import main as command_line

    recorder, code = Recorder(), 0
    sys.argv = ["recam", *sys.argv[1:]]
    sys.setprofile(recorder)
    try:
        command_line.run()
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.setprofile(None)
    collapsed = collapse(recorder.hops)
    if os.environ.get("RECAM_HOPS"):
        for here, there in collapsed:
            print(f"{here} -> {there}", file=sys.stderr)
    for (here, there), count in Counter(collapsed).most_common(SHOWN_PAIRS):
        print(f"{count:4} {here} -> {there}", file=sys.stderr)
    print(f"{len(collapsed)} hops, {len(recorder.hops)} with loops", file=sys.stderr)
    return code


def collapse(hops: Sequence[Hop]) -> list[Hop]:
    """Remove what repeats at once, shortest loops first, until nothing repeats."""
    left, length = list(hops), 1
    while length <= LONGEST_LOOP:
        kept: list[Hop] = []
        for hop in left:
            kept.append(hop)
            if len(kept) >= 2 * length and kept[-length:] == kept[-2 * length : -length]:
                del kept[-length:]
        length = 1 if len(kept) < len(left) else length + 1
        left = kept
    return left


if __name__ == "__main__":
    sys.exit(main())
