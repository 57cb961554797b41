"""The one door to other programs on this machine; nothing else imports subprocess.

Every program is started in a process group of its own, so that a timeout or Ctrl-C ends it
together with whatever it started. No shell is ever involved.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .errors import ProcessError

# What the names of variables begin with; those of one camera have its name added.
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
        """The last `lines` non-empty lines of all that was printed."""
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
    """Run `command` to its end and return what it did, whatever its exit code.

    `on_line` is called with each line or carriage-return update of stdout and stderr as it comes;
    `log` receives all of it, byte for byte. Bytes that are not UTF-8 are shown as `\\xNN`.

    Raises ProcessError when the program cannot be started or exceeds `timeout` seconds.
    """
    words = tuple(str(word) for word in command)
    with contextlib.ExitStack() as stack:
        # First, so that a log that cannot be opened leaves no process running.
        log_file = stack.enter_context(log.open("ab")) if log else None
        reader = _Reader(on_line, log_file)
        threads: list[threading.Thread] = []
        process = _start(words, cwd, env)
        try:
            for stream, is_stdout in ((process.stdout, True), (process.stderr, False)):
                threads.append(
                    threading.Thread(target=reader.drain, args=(stream, is_stdout), daemon=True)
                )
                threads[-1].start()
            returncode = process.wait(timeout)
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
    return Completed(words, returncode, reader.stdout(), reader.output())


def _start(
    words: tuple[str, ...], cwd: Path | None, env: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
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
        raise ProcessError(
            f"{words[0]} could not be started: {error.strerror or error}",
            "Check that the program is installed and may be executed.",
        ) from error


def _without_secrets(env: Mapping[str, str]) -> dict[str, str]:
    """An environment for other programs: none of them needs a camera's password."""
    return {name: value for name, value in env.items() if not name.startswith(_SECRETS)}


class _Reader:
    """Collects what a process prints on both streams, line by line."""

    def __init__(self, on_line: Callable[[str], None] | None, log: IO[bytes] | None) -> None:
        self._on_line = on_line
        self._log = log
        self._lock = threading.Lock()
        self._stdout: list[bytes] = []
        self._output: list[bytes] = []

    def drain(self, stream: IO[bytes], is_stdout: bool) -> None:
        """Follow one stream to its end, which a listener that fails does not keep from coming: a
        program whose pipe is full waits for ever."""
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

    def stdout(self) -> str:
        return _text(b"".join(self._stdout))

    def output(self) -> str:
        return _text(b"".join(self._output))


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="backslashreplace")


def end_group(pid: int, grace: float = 3.0) -> None:
    """End the process group `pid` leads, politely and then by force; nothing if it is gone. Whoever
    will not wait that long, and presses Ctrl-C again, has it ended by force at once."""
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


def has_ended(pid: int) -> bool:
    """Whether a program that we started detached has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def start_detached(
    command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], log: Path
) -> int:
    """Start a program that outlives us, its output going to `log`; returns its pid.

    Raises ProcessError when it cannot be started.
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
    return process.pid
