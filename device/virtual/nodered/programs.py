"""Run a program to its end from a coroutine, together with all that it starts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..layout import SetupError


@dataclass(frozen=True)
class Ended:
    """A program's exit code and what it printed on either stream."""

    code: int
    output: str

    def last_lines(self, count: int = 3) -> str:
        return "; ".join([line for line in self.output.splitlines() if line.strip()][-count:])


def end_group(leader: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to the process group that ``leader`` leads, if there is one still."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)


async def run(
    command: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Ended:
    """Run a program to its end. When the waiting is cancelled, its whole group is killed.

    Raises SetupError when it cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            cwd=cwd,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise SetupError(f"{command[0]} cannot be started: {error.strerror}") from error
    try:
        output, _ = await process.communicate()
    except BaseException:
        end_group(process.pid)
        await process.wait()
        raise
    return Ended(process.returncode or 0, output.decode("utf-8", "backslashreplace"))
