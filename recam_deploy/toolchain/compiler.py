"""Define the interface of a compiler, wherever it is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Call:
    """The command line of one program on this machine, and its whole environment."""

    words: tuple[str, ...]
    environment: Mapping[str, str]


class Compiler(Protocol):
    """A compiler on this machine (`Toolchain`) or in a container (`DockerToolchain`).

    `python` and `script` are paths where the compiler is, which may not be here.
    """

    @property
    def version(self) -> str:
        """Return the release of tpu_mlir."""

    @property
    def python(self) -> Path:
        """Return the path of its interpreter, a CPython 3.10."""

    def script(self, tool: str) -> Path:
        """Return the path of a tool's script, for instance of "model_transform"."""

    def calling(
        self,
        words: Sequence[str | Path],
        work_dir: Path,
        environ: Mapping[str, str],
        reads: Sequence[Path] = (),
    ) -> AbstractContextManager[Call]:
        """Yield the call that runs `words` where the compiler is; end it when the block ends.

        `environ` is the caller's environment. The program may rely on the files in `work_dir`,
        where it runs, and on those in `reads`; others may be out of its reach.
        """
