"""Exchange a command's stdin, stdout and stderr over an SSH channel; return its result."""

from __future__ import annotations

import logging
import re
import secrets
import select
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from ..errors import AuthenticationError, CameraError
from .auth import says_expired
from .command import RemoteCommand, to_wire

logger = logging.getLogger(__name__)

OUTPUT_LIMIT = 4 << 20  # bytes of stdout and stderr together that are kept
SHORT_SECONDS = 30.0  # for commands that only read or rename
GRACE_SECONDS = 6.0  # for the camera's own `timeout` to act before we close the channel
TAIL_LIMIT = 600  # characters of a program's last lines in a message
_CHUNK = 32768  # the most that servers take in one packet
_POLL_SECONDS = 0.1
_LINGER_SECONDS = 2.0
# The exit status of a program that `timeout` ended: coreutils' own, 128 + SIGKILL, 128 + SIGTERM
# (busybox), and our -1 where the signal ended `timeout` with it.
_TIMED_OUT = (124, 137, 143, -1)
_LIMITS = {"kill": ("timeout", "-k", "2"), "plain": ("timeout",), "none": ()}
_UID = re.compile("[0-9]{1,10}")

Input = bytes | Iterator[bytes]
"""A program's stdin: all its bytes, or chunks that are made while it is sent."""


class Channel(Protocol):
    """The part of an SSH channel that `CommandSession.pump` uses; paramiko's has all of it."""

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


class TooMuchOutputError(CameraError):
    """A program on the camera printed more than the limit."""


@dataclass(frozen=True)
class Result:
    """A command's exit status, output and duration in seconds; -1 for a signal."""

    exit_status: int
    stdout: str
    stderr: str
    seconds: float
    data: bytes = field(default=b"", repr=False)
    """Its standard output, byte for byte."""

    @property
    def ok(self) -> bool:
        """Whether it ended with exit status 0."""
        return self.exit_status == 0

    def tail(self, lines: int = 3) -> str:
        """Return the last non-empty lines of stderr, else of stdout, on one line.

        It has at most TAIL_LIMIT characters.
        """
        text = self.stderr if self.stderr.strip() else self.stdout
        last = [line.strip() for line in text.splitlines() if line.strip()][-lines:]
        return " | ".join(last)[:TAIL_LIMIT]


@dataclass(frozen=True)
class TransferMonitor:
    """Callbacks that follow a command's input and output, and a limit on the latter.

    `on_sent` and `on_received` get the number of bytes so far, of the program's own data.
    `should_stop` gets the size of each chunk that was sent, and the seconds for which the link
    delayed it; when it returns True the program's input ends there. `doing` ("uploading x") goes
    into the error for a lost connection. `output_limit` is in bytes.
    """

    doing: str = ""
    on_sent: Callable[[int], None] = lambda _: None
    should_stop: Callable[[int, float], bool] = lambda _bytes, _seconds: False
    on_received: Callable[[int], None] = lambda _: None
    output_limit: int = OUTPUT_LIMIT


class CommandSession:
    """One run of a command: its line for the shell, its input, its output.

    `seconds` limits the program on the camera, through the words `limit` that call its `timeout`
    (none where it has none). `timeout` limits the whole run on this side, GRACE_SECONDS later.
    """

    def __init__(
        self,
        command: RemoteCommand,
        data: Input = b"",
        *,
        seconds: float,
        limit: tuple[str, ...] = (),
        monitor: TransferMonitor | None = None,
    ) -> None:
        self.command = command
        self.seconds = seconds
        self.timeout = seconds + GRACE_SECONDS
        self.started = time.monotonic()
        self.pid: int | None = None
        self.abilities: tuple[int, tuple[str, ...]] | None = None
        """Our user id there and the words that limit a command's time, from a ProbeSession."""
        self._limit = limit
        self._monitor = monitor or TransferMonitor()
        self._began = self.started
        self._sent = 0
        self._enqueue(data)
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._tag = f"recam-pid-{secrets.token_hex(8)}="
        self._tag_pattern = re.compile(self._tag.encode() + rb"(\d{1,9});")
        self._untagged = b""

    @property
    def doing(self) -> str:
        """What is going on, for the error about a lost connection."""
        return self._monitor.doing or f"running {self.command.name}"

    @property
    def overdue(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() - self.started > self.timeout

    def line(self) -> bytes:
        """Build the line for the camera's shell.

        It prints its process id on stderr first, so that the program can be ended by it.
        """
        announced = RemoteCommand.script("announce_pid", self._tag, *self.limited().words)
        return to_wire(announced.render())

    def limited(self) -> RemoteCommand:
        """Return the command under its time limit."""
        return self.command.under(*self.time_limit(self.seconds))

    def time_limit(self, seconds: float) -> tuple[str, ...]:
        """Return the words that limit a command to `seconds`; none where `timeout` is missing."""
        return (*self._limit, _whole(seconds)) if self._limit else ()

    def pump(self, channel: Channel) -> bool:
        """Pump bytes over the channel of a started program until the program exits.

        Returns False when the session timed out before that; the caller closes the channel in any
        case. Raises TooMuchOutputError, and OSError when the connection breaks.
        """
        channel.settimeout(_POLL_SECONDS)
        stdin_open = True
        ended_at: float | None = None
        while True:
            # Checked before receiving: all output sent before the exit is received then.
            exited = channel.exit_status_ready()
            closing = channel.eof_received or channel.closed
            received = self._receive(channel)
            sent = False
            if stdin_open:
                stdin_open, sent = self._send(channel, wait=not received)
            if exited and not received:
                # A child that still runs may hold the output open: do not wait for it.
                ended_at = ended_at or time.monotonic()
                if closing or time.monotonic() - ended_at > _LINGER_SECONDS:
                    return True
            if self.overdue:
                return False
            if not (received or sent):
                select.select([channel], [], [], _POLL_SECONDS)

    def _receive(self, channel: Channel) -> bool:
        stdout = channel.recv(_CHUNK) if channel.recv_ready() else b""
        stderr = channel.recv_stderr(_CHUNK) if channel.recv_stderr_ready() else b""
        if stdout or stderr:
            self.feed(stdout, stderr)
        return bool(stdout or stderr)

    def _send(self, channel: Channel, *, wait: bool) -> tuple[bool, bool]:
        """Send the next chunk; return whether stdin stays open, and whether time was spent.

        With `wait`, wait a moment when SSH's window is full: only `send` notices that it opens.
        """
        if channel.closed:
            return False, False
        if self.stdin_finished:
            channel.shutdown_write()
            return False, False
        chunk = self.pending
        ready = channel.send_ready()
        if not chunk or not (ready or wait):
            return True, False
        began = time.monotonic()
        try:
            count = channel.send(chunk)
        except TimeoutError:
            return True, True
        except OSError:
            return False, False  # the program ended without reading; its exit status says why
        self.mark_sent(count, time.monotonic() - began if ready else 0.0)
        return True, True

    def feed(self, stdout: bytes = b"", stderr: bytes = b"") -> None:
        """Collect output. Raises TooMuchOutputError when it exceeds the limit."""
        if self.pid is None:
            self._untagged += stderr
            found = self._tag_pattern.search(self._untagged)
            stderr = b""
            if found:
                self.pid = int(found[1])
                stderr = self._untagged[: found.start()] + self._untagged[found.end() :]
                self._untagged = b""
        self._take(stdout, stderr)

    def _take(self, stdout: bytes, stderr: bytes) -> None:
        self._stdout += stdout
        self._stderr += stderr
        limit = self._monitor.output_limit
        if self._received > limit:
            raise TooMuchOutputError(
                f"a program on the camera printed more than {limit >> 20} MiB",
                "Look at what else runs on the camera, then run the command again.",
            )
        if stdout:
            self._monitor.on_received(len(self._stdout))

    @property
    def pending(self) -> bytes:
        """The chunk to send next."""
        return bytes(self._queue[:_CHUNK])

    @property
    def stdin_finished(self) -> bool:
        """Whether the program's stdin may be closed."""
        return not self._queue

    def mark_sent(self, count: int, seconds: float = 0.0) -> None:
        """Record that `count` bytes were sent, and that the link delayed them for `seconds`."""
        self._advance(count)
        self._sent += count
        self._monitor.on_sent(self._sent)
        if self._monitor.should_stop(count, seconds):
            self._enqueue(b"")

    def _enqueue(self, data: Input) -> None:
        self._more = iter((data,)) if isinstance(data, bytes) else data
        self._queue = memoryview(next(self._more, b""))

    def _advance(self, count: int) -> None:
        self._queue = self._queue[count:]
        if not self._queue:
            self._queue = memoryview(next(self._more, b""))

    def conclude(self, status: int | None, *, check: bool) -> Result:
        """Return the result; `status` is None after a time-out, -1 after a signal.

        Raises CameraError for a program that timed out (the camera's own `timeout` may have ended
        it) and, with `check`, for an exit status other than 0.
        """
        result = self.result(-1 if status is None else status)
        ended = result.exit_status in _TIMED_OUT and result.seconds >= self.seconds * 0.95
        if status is None or ended:
            raise CameraError(
                f"{self.command.name} on the camera did not finish within {self.seconds:g} s and "
                "was ended",
                "Check what else runs there (a flow uses the TPU and memory), or allow more time.",
            )
        if check and not result.ok:
            raise CameraError(
                f"{self.command.name} on the camera failed with exit status {status}: "
                f"{result.tail() or 'it printed nothing'}"
            )
        return result

    def result(self, exit_status: int) -> Result:
        """Build the result from the collected output."""
        return Result(
            exit_status,
            text_of(self._stdout),
            text_of(self._stderr if self.pid else self._untagged),
            time.monotonic() - self.started,
            bytes(self._stdout),
        )

    def log(self, ended: str) -> None:
        """Log the command, how it `ended`, its seconds, and the bytes sent and received."""
        if not logger.isEnabledFor(logging.INFO):
            return
        spent = time.monotonic() - self._began
        traffic = f"{self._sent} bytes in, {self._received} bytes out"
        logger.info("%s: %s, %.3f s, %s", self.described(), ended, spent, traffic)
        stderr = text_of(self._stderr if self.pid else self._untagged).strip()[-TAIL_LIMIT:]
        if stderr:
            logger.debug("on stderr: %s", stderr)

    def described(self) -> str:
        """Return the command's name in the log."""
        return self.command.described()

    @property
    def _received(self) -> int:
        return len(self._stdout) + len(self._stderr) + len(self._untagged)


class ProbeSession(CommandSession):
    """The first command of a connection; it also finds the user id and the form of `timeout`.

    Both are one line before the command's own output, which saves a round trip.
    """

    def limited(self) -> RemoteCommand:
        """Return the command behind `introduce.sh`, which applies the time limit."""
        seconds = _whole(self.seconds)
        return RemoteCommand.script("introduce", self._tag, seconds, *self.command.words)

    def result(self, exit_status: int) -> Result:
        """Build the result without that line. Raises CameraError when the line is another."""
        found = super().result(exit_status)
        line, end, rest = found.data.partition(b"\n")
        if not end and exit_status == -1:
            return found  # it ended before it printed anything
        self.abilities = parse_introduction(text_of(line) or found.tail(), self._tag)
        return replace(found, stdout=text_of(rest), data=rest)


def parse_introduction(line: str, token: str) -> tuple[int, tuple[str, ...]]:
    """Parse the line of `introduce.sh`: our user id, and the words that limit a command's time.

    The words are empty where the camera has no `timeout`. Raises CameraError when `line` is not
    what the script prints for `token`.
    """
    words = line.split()
    if says_expired(line):
        raise AuthenticationError(
            "the camera demands a new password: the old one has expired",
            "Log in once by hand (ssh), set a new one, and give recam that one. The first login to "
            "the camera's web page changes it too.",
        )
    if (
        len(words) != 3
        or words[0] != token
        or not _UID.fullmatch(words[1])
        or words[2] not in _LIMITS
    ):
        raise CameraError(
            f"the camera answered a plain command with something else: {line.strip()[:80]!r}",
            "Check the address. The login shell there must print nothing of its own.",
        )
    return int(words[1]), _LIMITS[words[2]]


def _whole(seconds: float) -> str:
    """Round seconds to a whole number, which every `timeout` accepts."""
    return str(max(1, round(seconds)))


def text_of(data: bytes | bytearray) -> str:
    """Decode a program's output; bytes that are not UTF-8 become escapes."""
    return bytes(data).decode("utf-8", errors="backslashreplace")
