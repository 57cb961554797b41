"""Run a command under sudo; send the password once, when sudo asks for it."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, field

from ..errors import SudoError, SudoPasswordNeededError
from .auth import PasswordOnce
from .command import RemoteCommand, to_wire
from .session import (
    GRACE_SECONDS,
    OUTPUT_LIMIT,
    TAIL_LIMIT,
    CommandSession,
    Input,
    Result,
    TransferMonitor,
    text_of,
)

SUDO_SECONDS = 30.0
_NO_PROGRAM = 127  # the exit status of a shell, and of `timeout`


@dataclass(frozen=True)
class SudoMarks:
    """Random words that no other program prints.

    `prompt` is sudo's prompt; `passed` is printed when sudo has started our command.
    """

    prompt: str = field(default_factory=lambda: f"recam-sudo-{secrets.token_hex(8)}:")
    passed: str = field(default_factory=lambda: f"recam-passed-{secrets.token_hex(8)};")

    def wrap(self, command: RemoteCommand) -> RemoteCommand:
        """Put sudo before `command`, and print `passed` on stderr just before it starts.

        `-S` makes sudo read the password from stdin. The prompt has no `%`, which sudo expands.
        """
        announce = RemoteCommand.script("announce", self.passed, *command.words)
        return announce.under("sudo", "-S", "-p", self.prompt, "--")


class SudoSession(CommandSession):
    """A command under sudo: the password for one prompt, then the command's own input.

    sudo has SUDO_SECONDS to start the command, without the time that `ask` takes.
    """

    def __init__(
        self,
        command: RemoteCommand,
        user: str,
        ask: PasswordOnce,
        data: Input = b"",
        *,
        seconds: float,
        limit: tuple[str, ...] = (),
        monitor: TransferMonitor | None = None,
        marks: SudoMarks | None = None,
    ) -> None:
        super().__init__(command, seconds=seconds, limit=limit, monitor=monitor)
        self._input_timeout = self.timeout
        self.timeout = SUDO_SECONDS
        self._marks = marks or SudoMarks()
        self._user = user
        self._ask = ask
        self._input = data
        self._before = bytearray()
        self._prompts = 0
        self._had_password = False
        self.passed = False

    def limited(self) -> RemoteCommand:
        """Return the command under sudo, with a time limit inside sudo and one around it.

        The outer one ends a sudo that hangs before it is root.
        """
        wrapped = self._marks.wrap(super().limited())
        return wrapped.under(*self.time_limit(self.seconds + SUDO_SECONDS + GRACE_SECONDS))

    def described(self) -> str:
        """Return the command's name in the log, with sudo before it."""
        return self.command.under("sudo").described()

    @property
    def stdin_finished(self) -> bool:
        """Whether stdin may be closed: the input is sent, or sudo has refused."""
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
            raise SudoError(
                "sudo on the camera prints without end",
                "Log in there and check whether `sudo true` works.",
            )
        prompts = bytes(self._before).count(to_wire(self._marks.prompt))
        if prompts and not self._prompts:
            self._answer()
        self._prompts = prompts

    def _pass(self, before: bytes) -> None:
        self.passed = True
        self._before = bytearray(before)
        self._enqueue(self._input)
        self.timeout = self._input_timeout
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
        """Record sent bytes; those of the password do not count as the command's."""
        if self.passed:
            super().mark_sent(count, seconds)
        else:
            self._advance(count)

    def conclude(self, status: int | None, *, check: bool) -> Result:
        """Return the result as `CommandSession` does. Raises SudoError when sudo refused."""
        if status is None and not self.passed:
            raise SudoError(
                f"sudo on the camera did not start the command within {SUDO_SECONDS:.0f} s",
                "Log in there and check whether `sudo true` works.",
            )
        if not self.passed:
            raise self.refusal(status)
        return super().conclude(status, check=check)

    def refusal(self, status: int | None = None) -> SudoError:
        """Return the error that says why sudo did not start the command.

        sudo's words may be in any language, so they are shown, and decide nothing but a hint.
        """
        output = text_of(self._before).replace(self._marks.prompt, "\n")
        lines = dict.fromkeys(line.strip() for line in output.splitlines() if line.strip())
        last = " | ".join(list(lines)[-2:])[:TAIL_LIMIT]
        if self._prompts and not self._had_password:
            return SudoPasswordNeededError(
                f"sudo on the camera asks for the password of {self._user}, and none was given",
                "Set RECAM_PASSWORD, or run the command on a terminal to be asked.",
            )
        if self._prompts > 1 or "incorrect password" in output:
            return SudoError(
                f"sudo on the camera refused the password of {self._user} (one attempt was made)",
                f"{self._ask.correction}Give the password of {self._user} on the camera; the SSH "
                "login may have used a key.",
            )
        if status == _NO_PROGRAM:
            return SudoError(
                f"the camera has no sudo: {last}", "Connect as root, or install sudo there."
            )
        return SudoError(
            f"sudo on the camera did not run the command: {last or 'it printed nothing'}",
            f"Allow it there: Defaults:{self._user} !requiretty in sudoers."
            if re.search(r"\btty\b", output)
            else f"Log in there: `sudo true` must work for {self._user} (look at sudoers, and at "
            "the owner and the mode of sudo's files).",
        )
