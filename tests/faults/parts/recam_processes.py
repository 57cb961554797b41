"""`recam` as a process that can be killed, forked from one that has imported it already."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["recam_processes"])


class RecamProcess:
    """A `recam` that runs by itself; `code`, `out` and `err` are there once it has ended."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self._out, self._err = folder / "out", folder / "err"
        arguments = (tuple(words), dict(environment), str(self._out), str(self._err))
        self._process = _CONTEXT.Process(target=_main, args=arguments)
        self._process.start()

    @property
    def running(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self._process.kill()
        self._process.join()

    def interrupt(self) -> None:
        """What Ctrl-C sends."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGINT)

    def wait(self, seconds: float = 60.0) -> tuple[int, str, str]:
        """Its exit code, and what it printed."""
        self._process.join(seconds)
        code = self._process.exitcode
        assert code is not None, "recam does not end"
        return code, self._out.read_text(), self._err.read_text()


def _main(words: Sequence[str], environment: Mapping[str, str], out: str, err: str) -> None:
    """What the console script does, in a process and an environment of its own."""
    for path, stream in ((out, 1), (err, 2)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, stream)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["recam", *words]
    from recam_deploy.cli.main import run

    with contextlib.suppress(BrokenPipeError):
        run()


# For the process that the others are forked from.
if multiprocessing.current_process().name != "MainProcess":
    pass
