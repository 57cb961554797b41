"""Pump a command's stdin, stdout and stderr over one SSH channel until it exits."""

from __future__ import annotations

import select
import time
from typing import Protocol

from .session import CommandSession

_CHUNK = 32768
_POLL_SECONDS = 0.1
_LINGER_SECONDS = 2.0


class Channel(Protocol):
    """Name what `pump` needs of an SSH channel; paramiko's has all of it."""

    closed: bool
    eof_received: int

    def fileno(self) -> int: ...
    def settimeout(self, timeout: float | None) -> None: ...
    def recv_ready(self) -> bool: ...
    def recv(self, nbytes: int) -> bytes: ...
    def recv_stderr_ready(self) -> bool: ...
    def recv_stderr(self, nbytes: int) -> bytes: ...
    def send_ready(self) -> bool: ...
    def send(self, s: bytes) -> int: ...
    def shutdown_write(self) -> None: ...
    def exit_status_ready(self) -> bool: ...


def pump(channel: Channel, session: CommandSession) -> bool:
    """Pump a session's bytes over a channel whose program was started, until the program exits.

    False when the session's time was up before that; the caller closes the channel either way.
    Raises what the session raises, and OSError when the connection breaks.
    """
    channel.settimeout(_POLL_SECONDS)
    stdin_open = True
    ended_at: float | None = None
    while True:
        # Looked at before listening: what came before the end is then heard before it counts.
        exited = channel.exit_status_ready()
        closing = channel.eof_received or channel.closed
        received = _listen(channel, session)
        spoke = False
        if stdin_open:
            stdin_open, spoke = _speak(channel, session, patient=not received)
        if exited and not received:
            # Something the program left running may hold its output open: do not wait for that.
            ended_at = ended_at or time.monotonic()
            if closing or time.monotonic() - ended_at > _LINGER_SECONDS:
                return True
        if session.overdue:
            return False
        if not (received or spoke):
            select.select([channel], [], [], _POLL_SECONDS)


def _listen(channel: Channel, session: CommandSession) -> bool:
    stdout = channel.recv(_CHUNK) if channel.recv_ready() else b""
    stderr = channel.recv_stderr(_CHUNK) if channel.recv_stderr_ready() else b""
    if stdout or stderr:
        session.feed(stdout, stderr)
    return bool(stdout or stderr)


def _speak(channel: Channel, session: CommandSession, *, patient: bool) -> tuple[bool, bool]:
    """Send what there is to send: whether more may follow, and whether that took its time.

    Where the other end cannot take more yet a `patient` one waits for it a moment: that it can
    again wakes nothing but `send`.
    """
    if channel.closed:
        return False, False
    if session.stdin_finished:
        channel.shutdown_write()
        return False, False
    piece = session.pending
    ready = channel.send_ready()
    if not piece or not (ready or patient):
        return True, False
    began = time.monotonic()
    try:
        count = channel.send(piece)
    except TimeoutError:
        return True, True
    except OSError:
        return False, False  # the program ended without reading; its exit status tells why
    session.mark_sent(count, time.monotonic() - began if ready else 0.0)
    return True, True
