"""What the rest of recam needs of a compiler, wherever it is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Call:
    """One program as this machine starts it: its words and its whole environment."""

    words: tuple[str, ...]
    environment: Mapping[str, str]


class Compiler(Protocol):
    """A compiler on this machine (`Toolchain`) or in a container (`DockerToolchain`).

    `python` and `script` are paths where the compiler is, which may not be here.
    """

    @property
    def version(self) -> str:
        """The release of tpu_mlir."""

    @property
    def python(self) -> Path:
        """Its interpreter, a CPython 3.10."""

    def script(self, tool: str) -> Path:
        """The file of a tool, for instance "model_transform"."""

    def calling(
        self,
        words: Sequence[str | Path],
        work_dir: Path,
        environ: Mapping[str, str],
        reads: Sequence[Path] = (),
    ) -> AbstractContextManager[Call]:
        """How to run `words` beside the compiler, from the caller's environment `environ`; nothing
        of it runs on once the block is left.

        `work_dir` is where the program works, and with `reads` all of the user's files that it can
        count on.
        """
