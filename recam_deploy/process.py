"""Run other programs on this machine; only this module imports subprocess.

Every program gets a process group of its own, so that a timeout or Ctrl-C ends it together with
the programs that it started. No shell is used.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .errors import ProcessError
from .redaction import command_text

logger = logging.getLogger(__name__)

_LOGGED_CHARACTERS = 2000

# Prefixes of environment variables; those of one camera have its name added.
_SECRETS = tuple(
    f"RECAM_{secret}"
    for node_red in ("NODE_RED", "NODERED")
    for secret in ("PASSWORD", f"{node_red}_PASSWORD", f"{node_red}_TOKEN")
)


@dataclass(frozen=True)
class Completed:
    """What a program did: its command, exit code, and output (stderr mixed into `output`)."""

    command: tuple[str, ...]
    returncode: int
    stdout: str
    output: str

    def tail(self, lines: int = 5) -> str:
        """Return the last `lines` non-empty lines of `output`."""
        kept = [line for line in self.output.splitlines() if line.strip()]
        return "\n".join(kept[-lines:])


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    on_line: Callable[[str], None] | None = None,
    log: Path | None = None,
) -> Completed:
    """Run `command` to its end and return its result, whatever its exit code.

    `on_line` is called with each line, or carriage-return update, of stdout and stderr as it
    arrives. All output is appended to `log`, byte for byte. Bytes that are not UTF-8 become
    `\\xNN` in the result.

    Raises ProcessError when the program cannot be started or exceeds `timeout` seconds.
    """
    words = tuple(str(word) for word in command)
    with contextlib.ExitStack() as stack:
        # Opened before the process starts: a failure here leaves no process running.
        log_file = stack.enter_context(log.open("ab")) if log else None
        reader = _Reader(on_line, log_file)
        threads: list[threading.Thread] = []
        began = time.monotonic()
        process = _start(words, cwd, env)
        ended = "ended by recam"
        try:
            for stream, is_stdout in ((process.stdout, True), (process.stderr, False)):
                threads.append(
                    threading.Thread(target=reader.drain, args=(stream, is_stdout), daemon=True)
                )
                threads[-1].start()
            returncode = process.wait(timeout)
            ended = f"exit code {returncode}"
        except subprocess.TimeoutExpired as error:
            raise ProcessError(
                f"{Path(words[0]).name} did not finish within {timeout:.0f} s",
                "Look at its log, or try again on a machine with less load.",
            ) from error
        finally:
            end_group(process.pid)
            process.wait()
            for thread in threads:
                thread.join(timeout=5)
            if logger.isEnabledFor(logging.INFO):
                spent, size = time.monotonic() - began, reader.size
                logger.info("%s: %s, %.3f s, %d bytes out", command_text(words), ended, spent, size)
            if log:
                logger.debug("its output is in %s", log)
            elif process.returncode:
                logger.debug("the end of its output: %s", reader.output()[-_LOGGED_CHARACTERS:])
    return Completed(words, returncode, reader.stdout(), reader.output())


def _start(
    words: tuple[str, ...], cwd: Path | None, env: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("%s started in %s", command_text(words), cwd or "this folder")
    try:
        return subprocess.Popen(
            words,
            cwd=cwd,
            env=_without_secrets(os.environ if env is None else env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        logger.info("%s could not be started: %s", command_text(words), error.strerror or error)
        raise ProcessError(
            f"{words[0]} could not be started: {error.strerror or error}",
            "Check that the program is installed and may be executed.",
        ) from error


def _without_secrets(env: Mapping[str, str]) -> dict[str, str]:
    """Return `env` without recam's passwords and tokens, which no other program needs."""
    return {name: value for name, value in env.items() if not name.startswith(_SECRETS)}


class _Reader:
    """Collects what a process prints on stdout and stderr, line by line."""

    def __init__(self, on_line: Callable[[str], None] | None, log: IO[bytes] | None) -> None:
        self._on_line = on_line
        self._log = log
        self._lock = threading.Lock()
        self._stdout: list[bytes] = []
        self._output: list[bytes] = []

    def drain(self, stream: IO[bytes], is_stdout: bool) -> None:
        """Read one stream to its end, even when `on_line` raises.

        A process whose pipe is full would block for ever.
        """
        pending = b""
        chunks = self._chunks(stream, is_stdout)
        try:
            for chunk in chunks:
                pending = self._emit(pending + chunk)
            if pending:
                self._emit(pending + b"\n")
        finally:
            for _ in chunks:
                pass

    def _chunks(self, stream: IO[bytes], is_stdout: bool) -> Iterator[bytes]:
        while chunk := os.read(stream.fileno(), 65536):
            with self._lock:
                self._output.append(chunk)
                if is_stdout:
                    self._stdout.append(chunk)
                if self._log:
                    self._log.write(chunk)
                    self._log.flush()
            yield chunk

    def _emit(self, data: bytes) -> bytes:
        *lines, rest = data.replace(b"\r", b"\n").split(b"\n")
        if self._on_line:
            for line in lines:
                if line.strip():
                    self._on_line(_text(line))
        return rest

    @property
    def size(self) -> int:
        """Count the bytes printed so far."""
        return sum(map(len, self._output))

    def stdout(self) -> str:
        return _text(b"".join(self._stdout))

    def output(self) -> str:
        return _text(b"".join(self._output))


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="backslashreplace")


def end_group(pid: int, grace: float = 3.0) -> None:
    """End the process group that `pid` leads: SIGTERM, after `grace` seconds SIGKILL.

    Do nothing when the group is gone. A second Ctrl-C meanwhile sends SIGKILL at once.
    """
    try:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(pid, sign)
            except (ProcessLookupError, PermissionError):
                return
            if _group_gone(pid, grace):
                return
    except BaseException:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        raise


def _group_gone(pid: int, seconds: float) -> bool:
    step = threading.Event()
    waited = 0.0
    while waited < seconds:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        try:
            os.killpg(pid, 0)
        except (ProcessLookupError, PermissionError):
            return True
        step.wait(0.02)
        waited += 0.02
    return False


class ConnectedProgram:
    """A program whose stdin and stdout are the other end of the socket `link`."""

    def __init__(
        self, process: subprocess.Popen[bytes], link: socket.socket, errors: IO[bytes]
    ) -> None:
        self.link = link
        self._process = process
        self._errors = errors
        self._last_line = ""

    def close(self) -> None:
        """Close the socket and end the program; do nothing the second time."""
        if self._errors.closed:
            return
        self.link.close()
        end_group(self._process.pid, 1.0)
        self._process.wait()
        self._last_line = self.last_line()
        self._errors.close()

    def last_line(self) -> str:
        """Return the last line on its stderr, of at most 300 characters."""
        if self._errors.closed:
            return self._last_line
        self._errors.seek(0)
        lines = _text(self._errors.read(1 << 16)).split("\n")
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


def start_connected(command: Sequence[str]) -> ConnectedProgram:
    """Start a program to talk to over a socket. Raises ProcessError when it cannot be started."""
    words = tuple(command)
    ours, its = socket.socketpair()
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the program
    try:
        process = subprocess.Popen(
            words,
            env=_without_secrets(os.environ),
            stdin=its.fileno(),
            stdout=its.fileno(),
            stderr=errors,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        ours.close()
        errors.close()
        raise ProcessError(
            f"{words[0]} could not be started: {getattr(error, 'strerror', None) or error}",
            "Check that the program is installed and may be executed.",
        ) from error
    finally:
        its.close()
    logger.info("%s: started as process %d, connected", command_text(words), process.pid)
    return ConnectedProgram(process, ours, errors)


def has_ended(pid: int) -> bool:
    """Say whether a program that `start_detached` started has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def start_detached(
    command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], log: Path
) -> int:
    """Start a program that keeps running after recam ends; return its pid.

    Its output is appended to `log`. Raises ProcessError when it cannot be started.
    """
    words = tuple(str(word) for word in command)
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                words,
                cwd=cwd,
                env=_without_secrets(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as error:
            raise ProcessError(f"{words[0]} could not be started: {error.strerror or error}") from (
                error
            )
    logger.info(
        "%s: started as process %d, its output in %s", command_text(words), process.pid, log
    )
    return process.pid
