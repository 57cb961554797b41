"""Standard output as the C library keeps it for ``sscma-model``.

To a pipe it is written when the program ends, so what was printed before an abort is lost; to a
terminal line by line.
"""

from __future__ import annotations

import os
import sys


class Output:
    """Text that the program has printed and not written yet."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._by_line = sys.stdout.isatty()

    def print(self, text: str) -> None:
        self._kept += os.fsencode(text)
        if self._by_line and text.endswith("\n"):
            self.write()

    def info(self, text: str) -> None:
        self.print(f"\033[32mI {text}\033[0m\r\n")

    def error(self, text: str) -> None:
        self.print(f"\033[31mE {text}\033[0m\r\n")

    def write(self) -> None:
        """Write all that is kept."""
        sys.stdout.buffer.write(self._kept)
        sys.stdout.flush()
        self._kept.clear()
