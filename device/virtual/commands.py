"""Run commands and shells of SSH sessions, as processes of the host.

A command runs under ``/bin/sh -c`` in the camera's home with a small environment, no
login profile and no ``LD_LIBRARY_PATH``; a login shell has the profile's one. Each is
a process session of its own, which ends when its channel closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import pty
import re
import select
import signal
import struct
import termios
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncssh

from . import riscv
from .layout import USER
from .processes import of_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .layout import Layout

log = logging.getLogger("virtual")

CHUNK = 1 << 16
GRACE_SECONDS = 0.5

# What writing to or reading from a channel that has gone away raises.
GONE = (OSError, asyncssh.Error)

Session = asyncssh.SSHServerProcess[bytes]


def redact(command: str, password: str) -> str:
    """Return the command without the password where it stands as a word of its own."""
    return re.sub(rf"(?<![\w/.-]){re.escape(password)}(?![\w/.-])", "***", command)


def environment(layout: Layout, session: Session) -> dict[str, str]:
    """Return the environment that sshd gives a command on the camera."""
    peer = session.get_extra_info("peername") or ("", 0)
    local = session.get_extra_info("sockname") or ("", 0)
    values = {
        "USER": USER,
        "LOGNAME": USER,
        "HOME": str(layout.home),
        "SHELL": "/bin/sh",
        "PATH": layout.path,
        "SSH_CONNECTION": f"{peer[0]} {peer[1]} {local[0]} {local[1]}",
    }
    if session.term_type:
        values["TERM"] = session.term_type
    return values


def _take_terminal() -> None:
    """Make standard input the controlling terminal; called in the child."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def signal_session(leader: int, number: int) -> bool:
    """Signal every process of a session. Return False when none is left."""
    members = of_session(leader)
    for pid in members:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
    return bool(members)


async def end_session(leader: int) -> None:
    """Terminate every process of a session, kindly, then not."""
    if not signal_session(leader, signal.SIGTERM):
        return
    signal_session(leader, signal.SIGCONT)
    deadline = asyncio.get_running_loop().time() + GRACE_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)
        if not of_session(leader):
            return
    signal_session(leader, signal.SIGKILL)


@dataclass
class Commands:
    """Runs sessions' commands and knows the process sessions alive."""

    layout: Layout
    leaders: set[int] = field(default_factory=set)

    async def handle(self, session: Session) -> None:
        """Serve one session, from its request to its exit status."""
        command = session.command
        text = "(shell)" if command is None else command
        password = self.layout.password.read_text(encoding="utf-8").rstrip("\n")
        log.info("command %s", redact(text, password))
        if session.term_type is not None:
            code = await self._with_terminal(session, command)
        else:
            code = await self._with_pipes(session, command)
        log.info("exit %s of %s", code, redact(text, password))
        with contextlib.suppress(*GONE):
            if code < 0 and (name := _signal_name(-code)):
                session.exit_with_signal(name)
            else:
                session.exit(code if code >= 0 else 255)

    async def end_all(self) -> None:
        await asyncio.gather(*(end_session(leader) for leader in list(self.leaders)))

    def _arguments(self, command: str | None, values: dict[str, str]) -> list[str]:
        if command is None:
            values["LD_LIBRARY_PATH"] = self.layout.library_path
            return ["/bin/sh"]
        return ["/bin/sh", "-c", riscv.in_shell(command, self.layout.home, self.layout.loader)]

    async def _start(
        self, session: Session, command: str | None, **streams: Any
    ) -> asyncio.subprocess.Process:
        values = environment(self.layout, session)
        process = await asyncio.create_subprocess_exec(
            *self._arguments(command, values),
            cwd=self.layout.home,
            env=values,
            start_new_session=True,
            **streams,
        )
        self.leaders.add(process.pid)
        return process

    async def _finish(
        self, session: Session, process: asyncio.subprocess.Process, work: list[asyncio.Task[None]]
    ) -> int:
        """Wait for the end of the process and its output, or of the channel; then end the session.

        Returns the exit code, negative for a signal.
        """
        done = asyncio.ensure_future(_all_done(process, work))
        closed = asyncio.ensure_future(session.wait_closed())
        try:
            await asyncio.wait({done, closed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_session(process.pid)
            self.leaders.discard(process.pid)
            done.cancel()
            closed.cancel()
        return await process.wait()

    async def _with_pipes(self, session: Session, command: str | None) -> int:
        pipe = asyncio.subprocess.PIPE
        process = await self._start(session, command, stdin=pipe, stdout=pipe, stderr=pipe)
        feeding = asyncio.ensure_future(_feed(session, process))
        work = [
            asyncio.ensure_future(_copy(process.stdout, session.stdout)),
            asyncio.ensure_future(_copy(process.stderr, session.stderr)),
        ]
        try:
            return await self._finish(session, process, work)
        finally:
            feeding.cancel()
            for task in work:
                task.cancel()

    async def _with_terminal(self, session: Session, command: str | None) -> int:
        master, slave = pty.openpty()
        _resize(master, session.term_size)
        try:
            process = await self._start(
                session, command, stdin=slave, stdout=slave, stderr=slave, preexec_fn=_take_terminal
            )
        finally:
            os.close(slave)
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(master, "rb", 0)
        )
        feeding = asyncio.ensure_future(_feed_terminal(session, master, process.pid))
        work = [asyncio.ensure_future(_copy(reader, session.stdout))]
        try:
            return await self._finish(session, process, work)
        finally:
            feeding.cancel()
            transport.close()


def _signal_name(number: int) -> str | None:
    """Return the name SSH knows a signal by, without SIG."""
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return None


def _resize(descriptor: int, size: tuple[int, int, int, int]) -> None:
    width, height, pixel_width, pixel_height = size
    packed = struct.pack("HHHH", height, width, pixel_width, pixel_height)
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, packed)


async def _all_done(process: asyncio.subprocess.Process, work: list[asyncio.Task[None]]) -> None:
    await process.wait()
    await asyncio.gather(*work)


async def _copy(source: asyncio.StreamReader | None, target: asyncssh.SSHWriter[bytes]) -> None:
    """Copy everything from the process to the channel, or until either is gone."""
    if source is None:
        return
    with contextlib.suppress(*GONE):
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()


async def _input(session: Session, leader: int, master: int | None = None) -> AsyncIterator[bytes]:
    """Yield the channel's data; carry out signals and new window sizes on the way."""
    while True:
        try:
            data = await session.stdin.read(CHUNK)
        except asyncssh.TerminalSizeChanged as change:
            if master is not None:
                size = (change.width, change.height, change.pixwidth, change.pixheight)
                _resize(master, size)
        except asyncssh.SignalReceived as received:
            number = getattr(signal, f"SIG{received.signal}", None)
            if number is not None:
                signal_session(leader, number)
        except asyncssh.BreakReceived:
            signal_session(leader, signal.SIGINT)
        else:
            if not data:
                return
            yield data


async def _feed(session: Session, process: asyncio.subprocess.Process) -> None:
    """Pass everything from the channel to the process; the end of one ends the other."""
    target = process.stdin
    if target is None:
        return
    with contextlib.suppress(*GONE):
        async for data in _input(session, process.pid):
            target.write(data)
            await target.drain()
    with contextlib.suppress(*GONE):
        target.close()


async def _feed_terminal(session: Session, master: int, leader: int) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(*GONE):
        async for data in _input(session, leader, master):
            await loop.run_in_executor(None, _write_all, master, data)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
