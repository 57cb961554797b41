"""What is said over one channel to a program on the camera: no network here, only the rules.

`pump` carries the bytes; a `CommandSession` decides what to send, when to stop, and what came
back. The password for `sudo` is sent only when sudo itself asks, only once, and never reaches the
program that sudo starts.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from pydantic import SecretStr

from ..errors import CameraError, SudoError, SudoPasswordNeededError
from .command import RemoteCommand, to_wire
from .scripts import ANNOUNCE, ANNOUNCE_PID, INTRODUCE, limited, parse_introduction, whole

OUTPUT_LIMIT = 4 << 20
SUDO_SECONDS = 30.0
_TAIL_LIMIT = 600
_PIECE = 32768  # the most that servers take in one packet
# How a program looks that `timeout` ended: coreutils' own status, 128 + SIGKILL, 128 + SIGTERM
# (busybox), and our -1 where the signal ended `timeout` with it.
_ENDED_STATUSES = (124, 137, 143, -1)

PasswordAnswer = Callable[[], SecretStr | None]
Input = bytes | Iterator[bytes]
"""What a program gets on stdin: at once, or made as it goes out."""


@dataclass(frozen=True)
class Result:
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
class TransferMonitor:
    """Callbacks that follow a command's input and output, and a limit on the latter.

    `on_sent` and `on_received` get the number of bytes so far, of the program's own data.
    `should_stop` gets the bytes of each piece that went out, and the seconds for which the link
    held it up; where it returns True the program's input ends there. `doing` ("uploading x") is
    what the error for a lost connection names. `output_limit` is in bytes.
    """

    doing: str = ""
    on_sent: Callable[[int], None] = lambda _: None
    should_stop: Callable[[int, float], bool] = lambda _bytes, _seconds: False
    on_received: Callable[[int], None] = lambda _: None
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


class CommandSession:
    """A plain command: send `data`, close its stdin, collect what it prints.

    `timeout` seconds bound the whole; the watch's limit bounds what is kept in memory.
    """

    abilities: tuple[int, tuple[str, ...]] | None = None
    """Once a program has told: our user id there, and the words that put a time limit on one."""

    def __init__(
        self, data: Input = b"", *, timeout: float, monitor: TransferMonitor | None = None
    ) -> None:
        self.timeout = timeout
        self.started = time.monotonic()
        self._monitor = monitor or TransferMonitor()
        self._count = 0
        self._enqueue(data)
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._tag = f"recam-pid-{secrets.token_hex(8)}="
        self._untagged = b""
        self.pid: int | None = None

    def announced(self, command: RemoteCommand) -> RemoteCommand:
        """`command` telling its process id on stderr first, so that it can be ended for sure."""
        return RemoteCommand.script(ANNOUNCE_PID, self._tag, *command.words)

    def limited(
        self, command: RemoteCommand, limit: tuple[str, ...], seconds: float
    ) -> RemoteCommand:
        """`command` within `seconds`, by the words `limit`."""
        return command.under(*limited(limit, seconds))

    def feed(self, stdout: bytes = b"", stderr: bytes = b"") -> None:
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
        limit = self._monitor.output_limit
        if len(self._stdout) + len(self._stderr) + len(self._untagged) > limit:
            raise TooMuchOutputError(
                f"a program on the camera printed more than {limit >> 20} MiB",
                "That is no result; look at what runs there.",
            )
        if stdout:
            self._monitor.on_received(len(self._stdout))

    @property
    def pending(self) -> bytes:
        """What should be sent next, a piece at a time."""
        return bytes(self._queue[:_PIECE])

    def _enqueue(self, data: Input) -> None:
        self._more = iter((data,)) if isinstance(data, bytes) else data
        self._queue = memoryview(next(self._more, b""))

    def _went(self, count: int) -> None:
        self._queue = self._queue[count:]
        if not self._queue:
            self._queue = memoryview(next(self._more, b""))

    def mark_sent(self, count: int, seconds: float = 0.0) -> None:
        """`count` bytes of it went out, which the link held up for `seconds`."""
        self._went(count)
        self._count += count
        self._monitor.on_sent(self._count)
        if self._monitor.should_stop(count, seconds):
            self._enqueue(b"")

    @property
    def stdin_finished(self) -> bool:
        """Whether the program's stdin may be closed."""
        return not self._queue

    @property
    def overdue(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() - self.started > self.timeout

    def result(self, command: RemoteCommand, exit_status: int) -> Result:
        """All that came back."""
        return Result(
            command.render(),
            exit_status,
            _text(self._stdout),
            _text(self._stderr if self.pid else self._untagged),
            time.monotonic() - self.started,
            bytes(self._stdout),
        )


class ProbeSession(CommandSession):
    """The first command of a connection, which tells what the others must know of the camera.

    That comes as a line before its own output, so it costs no round trip of its own.
    """

    def limited(
        self, command: RemoteCommand, limit: tuple[str, ...], seconds: float
    ) -> RemoteCommand:
        """`command` within `seconds`, after the line; which `limit` there is it finds out."""
        return RemoteCommand.script(INTRODUCE, self._tag, whole(seconds), *command.words)

    def result(self, command: RemoteCommand, exit_status: int) -> Result:
        """What came after the line. Raises CameraError where something else is in its place."""
        found = super().result(command, exit_status)
        line, end, rest = found.data.partition(b"\n")
        if not end and exit_status == -1:
            return found  # it was ended before it said anything
        self.abilities = parse_introduction(_text(line) or found.tail(), self._tag)
        return replace(found, stdout=_text(rest), data=rest)


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


class SudoSession(CommandSession):
    """A command under sudo: one answer to one prompt, and only then the command's own input.

    `data` and `timeout` are the command's; sudo itself has `SUDO_SECONDS`, not counting the time
    that `ask` takes to give the password.
    """

    def __init__(
        self,
        marks: SudoMarks,
        ask: PasswordAnswer,
        data: Input = b"",
        *,
        timeout: float,
        monitor: TransferMonitor | None = None,
    ) -> None:
        super().__init__(timeout=SUDO_SECONDS, monitor=monitor)
        self._marks = marks
        self._ask = ask
        self._input = data
        self._input_seconds = timeout
        self._before = bytearray()
        self._prompts = 0
        self._had_password = False
        self.passed = False

    @property
    def stdin_finished(self) -> bool:
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
        self._enqueue(self._input)
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
        self._enqueue(to_wire(line) + b"\n")

    def mark_sent(self, count: int, seconds: float = 0.0) -> None:
        """`count` bytes went out; the password is nobody's progress."""
        if self.passed:
            super().mark_sent(count, seconds)
        else:
            self._went(count)

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


def conclude(
    session: CommandSession, command: RemoteCommand, status: int | None, timeout: float, check: bool
) -> Result:
    """Return the session's result; `status` is None when we stopped waiting, -1 after a signal.

    Raises CameraError when the program took longer than `timeout` seconds (the camera's own
    `timeout` may have ended it) and, with `check`, when its exit status is not 0.
    """
    result = session.result(command, -1 if status is None else status)
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
