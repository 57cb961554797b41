"""What is said over one channel to a program on the camera: no network here, only the rules.

`Remote` carries the bytes; a `Talk` decides what to send, when to stop, and what came back. The
password for `sudo` is sent only when sudo itself asks, only once, and never reaches the program
that sudo starts.
"""

from __future__ import annotations

import re
import secrets
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import SecretStr

from ..errors import CameraError, SudoError, SudoPasswordNeededError
from .quoting import RemoteCommand, to_wire
from .scripts import ANNOUNCE, ANNOUNCE_PID

OUTPUT_LIMIT = 4 << 20
SUDO_SECONDS = 30.0
_TAIL_LIMIT = 600
_CHUNK = 32768
_POLL_SECONDS = 0.1
_SENDING_SECONDS = 0.005  # between looks whether the other end can take more
_LINGER_SECONDS = 2.0
# How a program looks that `timeout` ended: coreutils' own status, 128 + SIGKILL, 128 + SIGTERM
# (busybox), and our -1 where the signal ended `timeout` with it.
_ENDED_STATUSES = (124, 137, 143, -1)

PasswordAnswer = Callable[[], SecretStr | None]


@dataclass(frozen=True)
class RemoteResult:
    """What a command on the camera did; `exit_status` is -1 when a signal ended it."""

    command: str
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
        """The last non-empty lines it printed, stderr first, on one line of bounded length."""
        text = self.stderr if self.stderr.strip() else self.stdout
        said = [line.strip() for line in text.splitlines() if line.strip()][-lines:]
        return " | ".join(said)[:_TAIL_LIMIT]


class TooMuchOutputError(CameraError):
    """A program on the camera printed more than is kept."""


@dataclass(frozen=True)
class Watch:
    """Who wants to know how far a talk is; `output_limit` bytes bound what may come back.

    `sent` and `heard` are called with the number of bytes so far, of the program's own data;
    `doing` is what a lost connection is said to have broken off ("uploading x").
    """

    doing: str = ""

    sent: Callable[[int], None] = lambda _: None
    heard: Callable[[int], None] = lambda _: None
    output_limit: int = OUTPUT_LIMIT


class PasswordOnce:
    """A password from wherever it comes, asked for at most once."""

    def __init__(self, source: PasswordAnswer | SecretStr | None) -> None:
        self._source = source
        self._known: SecretStr | None = None
        self._asked = False

    def __call__(self) -> SecretStr | None:
        if not self._asked:
            self._asked = True
            self._known = self._source() if callable(self._source) else self._source
        return self._known


class Talk:
    """A plain command: send `data`, close its stdin, collect what it prints.

    `timeout` seconds bound the whole; the watch's limit bounds what is kept in memory.
    """

    def __init__(self, data: bytes = b"", *, timeout: float, watch: Watch | None = None) -> None:
        self.timeout = timeout
        self.started = time.monotonic()
        self._watch = watch or Watch()
        self._queue = memoryview(data)
        self._size = len(data)
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._tag = f"recam-pid-{secrets.token_hex(8)}="
        self._untagged = b""
        self.pid: int | None = None

    def announced(self, command: RemoteCommand) -> RemoteCommand:
        """`command` telling its process id on stderr first, so that it can be ended for sure."""
        return RemoteCommand.script(ANNOUNCE_PID, self._tag, *command.words)

    def hear(self, stdout: bytes = b"", stderr: bytes = b"") -> None:
        """Take in what was printed. Raises CameraError when it is more than we keep."""
        if self.pid is None:
            self._untagged += stderr
            found = re.search(re.escape(to_wire(self._tag)) + rb"(\d{1,9});", self._untagged)
            stderr = b""
            if found:
                self.pid = int(found[1])
                stderr = self._untagged[: found.start()] + self._untagged[found.end() :]
                self._untagged = b""
        self._take(stdout, stderr)

    def _take(self, stdout: bytes, stderr: bytes) -> None:
        self._stdout += stdout
        self._stderr += stderr
        limit = self._watch.output_limit
        if len(self._stdout) + len(self._stderr) + len(self._untagged) > limit:
            raise TooMuchOutputError(
                f"a program on the camera printed more than {limit >> 20} MiB",
                "That is no result; look at what runs there.",
            )
        if stdout:
            self._watch.heard(len(self._stdout))

    @property
    def to_send(self) -> bytes:
        """What should be sent next, a piece at a time."""
        return bytes(self._queue[:_CHUNK])

    def sent(self, count: int) -> None:
        """`count` bytes of it went out."""
        self._queue = self._queue[count:]
        self._watch.sent(self._size - len(self._queue))

    @property
    def finished_sending(self) -> bool:
        """Whether the program's stdin may be closed."""
        return not self._queue

    @property
    def overdue(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() - self.started > self.timeout

    def result(self, command: RemoteCommand, exit_status: int) -> RemoteResult:
        """All that came back."""
        return RemoteResult(
            command.render(),
            exit_status,
            _text(self._stdout),
            _text(self._stderr if self.pid else self._untagged),
            time.monotonic() - self.started,
            bytes(self._stdout),
        )


@dataclass(frozen=True)
class SudoMarks:
    """Words no other program prints: sudo's prompt, and the sign that sudo let us through."""

    prompt: str = field(default_factory=lambda: f"recam-sudo-{secrets.token_hex(8)}:")
    passed: str = field(default_factory=lambda: f"recam-passed-{secrets.token_hex(8)};")

    def wrap(self, command: RemoteCommand) -> RemoteCommand:
        """`command` under sudo, saying `passed` on stderr just before it starts.

        The prompt has no `%`, which sudo would expand. `-S` reads the password from stdin.
        """
        announce = RemoteCommand.script(ANNOUNCE, self.passed, *command.words)
        return announce.under("sudo", "-S", "-p", self.prompt, "--")


class SudoTalk(Talk):
    """A command under sudo: one answer to one prompt, and only then the command's own input.

    `data` and `timeout` are the command's; sudo itself has `SUDO_SECONDS`, not counting the time
    that `ask` takes to give the password.
    """

    def __init__(
        self,
        marks: SudoMarks,
        ask: PasswordAnswer,
        data: bytes = b"",
        *,
        timeout: float,
        watch: Watch | None = None,
    ) -> None:
        super().__init__(timeout=SUDO_SECONDS, watch=watch)
        self._marks = marks
        self._ask = ask
        self._input = data
        self._input_seconds = timeout
        self._before = bytearray()
        self._prompts = 0
        self._had_password = False
        self.passed = False

    @property
    def finished_sending(self) -> bool:
        refused = self._prompts > 1 or (self._prompts == 1 and not self._had_password)
        return not self._queue and (self.passed or refused)

    def _take(self, stdout: bytes, stderr: bytes) -> None:
        if self.passed:
            super()._take(stdout, stderr)
            return
        self._before += stderr
        head, mark, rest = bytes(self._before).partition(to_wire(self._marks.passed))
        if mark:
            self._pass(bytes(head))
            super()._take(stdout, rest)
            return
        super()._take(stdout, b"")
        if len(self._before) > OUTPUT_LIMIT:
            raise SudoError("sudo on the camera prints without end")
        prompts = bytes(self._before).count(to_wire(self._marks.prompt))
        if prompts and not self._prompts:
            self._answer()
        self._prompts = prompts

    def _pass(self, before: bytes) -> None:
        self.passed = True
        self._before = bytearray(before)
        self._queue = memoryview(self._input)
        self._size = len(self._input)
        self.timeout = self._input_seconds
        self.started = time.monotonic()

    def _answer(self) -> None:
        secret = self._ask()
        self.started = time.monotonic()
        if secret is None:
            return
        line = secret.get_secret_value()
        if "\n" in line or "\0" in line:
            raise SudoError(
                "the password holds a line break, so it cannot be given to sudo",
                "Set a password without one.",
            )
        self._had_password = True
        self._queue = memoryview(to_wire(line) + b"\n")

    def sent(self, count: int) -> None:
        """`count` bytes went out; the password is nobody's progress."""
        if self.passed:
            super().sent(count)
        else:
            self._queue = self._queue[count:]

    def refusal(self, user: str) -> SudoError | None:
        """Why sudo did not start the command; None when it did."""
        if self.passed:
            return None
        said = _text(self._before).replace(self._marks.prompt, " ")
        last = " | ".join([line.strip() for line in said.splitlines() if line.strip()][-2:])
        last = last[:_TAIL_LIMIT]
        if self._prompts and not self._had_password:
            return SudoPasswordNeededError(
                f"sudo on the camera asks for the password of {user}, and none was given",
                "Set RECAM_PASSWORD, or run the command on a terminal to be asked.",
            )
        if self._prompts > 1 or "incorrect password" in said:
            return SudoError(
                f"sudo on the camera refused the password of {user} (one attempt was made)",
                "Give the password of that user; SSH may have let you in by a key.",
            )
        if "not found" in said or "No such file" in said:
            return SudoError(
                f"the camera has no sudo: {last}", "Connect as root, or install sudo there."
            )
        return SudoError(
            f"sudo on the camera did not run the command: {last or 'it said nothing'}",
            f"{user} must be allowed to run programs as root (see sudoers on the camera).",
        )


class Channel(Protocol):
    """What `converse` needs of an SSH channel; paramiko's has all of it."""

    closed: bool
    eof_received: int

    def fileno(self) -> int: ...
    def recv_ready(self) -> bool: ...
    def recv(self, nbytes: int) -> bytes: ...
    def recv_stderr_ready(self) -> bool: ...
    def recv_stderr(self, nbytes: int) -> bytes: ...
    def send_ready(self) -> bool: ...
    def send(self, s: bytes) -> int: ...
    def shutdown_write(self) -> None: ...
    def exit_status_ready(self) -> bool: ...


def converse(channel: Channel, talk: Talk) -> bool:
    """Carry a talk over a channel whose program has been started, until the program has ended.

    False when the talk's time was up before that; the caller closes the channel either way.
    Raises what the talk raises, and OSError when the connection breaks.
    """
    stdin_open = True
    ended_at: float | None = None
    while True:
        # Looked at before listening: what came before the end is then heard before it counts.
        exited = channel.exit_status_ready()
        closing = channel.eof_received or channel.closed
        heard = _listen(channel, talk)
        spoke = False
        if stdin_open:
            stdin_open, spoke = _speak(channel, talk)
        if exited and not heard:
            # Something the program left running may hold its output open: do not wait for that.
            ended_at = ended_at or time.monotonic()
            if closing or time.monotonic() - ended_at > _LINGER_SECONDS:
                return True
        if talk.overdue:
            return False
        if not (heard or spoke):
            # That the other end can take more shows nowhere but in `send_ready`.
            sending = stdin_open and talk.to_send
            select.select([channel], [], [], _SENDING_SECONDS if sending else _POLL_SECONDS)


def _listen(channel: Channel, talk: Talk) -> bool:
    stdout = channel.recv(_CHUNK) if channel.recv_ready() else b""
    stderr = channel.recv_stderr(_CHUNK) if channel.recv_stderr_ready() else b""
    if stdout or stderr:
        talk.hear(stdout, stderr)
    return bool(stdout or stderr)


def _speak(channel: Channel, talk: Talk) -> tuple[bool, bool]:
    """Send what there is to send: whether more may follow, and whether something went out."""
    if channel.closed:
        return False, False
    if talk.finished_sending:
        channel.shutdown_write()
        return False, False
    piece = talk.to_send
    if piece and channel.send_ready():
        try:
            talk.sent(channel.send(piece))
        except OSError:
            return False, False  # the program ended without reading; its exit status tells why
        return True, True
    return True, False


def conclude(
    talk: Talk, command: RemoteCommand, status: int | None, timeout: float, check: bool
) -> RemoteResult:
    """What a talk came to; `status` is None when we stopped waiting, -1 after a signal.

    Raises CameraError when the program took longer than `timeout` seconds (the camera's own
    `timeout` may have ended it) and, with `check`, when its exit status is not 0.
    """
    result = talk.result(command, -1 if status is None else status)
    ended = result.exit_status in _ENDED_STATUSES and result.seconds >= timeout * 0.95
    if status is None or ended:
        raise CameraError(
            f"{command.name} on the camera did not finish within {timeout:g} s and was ended",
            "See what else runs there (a flow uses the TPU and memory), or allow more time.",
        )
    if check and not result.ok:
        raise CameraError(
            f"{command.name} on the camera failed with exit status {status}: "
            f"{result.tail() or 'it said nothing'}"
        )
    return result


def _text(data: bytes | bytearray) -> str:
    return bytes(data).decode("utf-8", errors="backslashreplace")
