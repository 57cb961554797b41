"""Write the transcript of a run: what was exchanged with the camera and with other programs.

Each module logs to the logger of its own name. This module adds the handlers: all records go to
the file of `--log`, those of level INFO and above to the terminal with `-v`. A run is appended to
the file, after a line with its command line, version and system.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from . import __version__
from .errors import RecamError, SettingsError
from .folders import expanded
from .redaction import command_text, keep_secret, redact

VARIABLE = "RECAM_LOG"
_PACKAGE = logging.getLogger("recam_deploy")

logger = logging.getLogger(__name__)

_open: list[Path | None] = []


def transcript(
    file: Path | None, *, verbose: bool = False
) -> contextlib.AbstractContextManager[None]:
    """Write a transcript while the block runs: to `file`, and with `verbose` to stderr.

    Without `file`, `chosen_file` names it. A command that runs another one shares one transcript.

    Raises SettingsError when the file cannot be opened.
    """
    if _open:
        return contextlib.nullcontext()
    path = file or chosen_file(os.environ)
    handlers: list[logging.Handler] = [_file_handler(path)] if path else []
    if verbose:
        handlers.append(_terminal_handler())
    return _written(path, handlers) if handlers else contextlib.nullcontext()


@contextlib.contextmanager
def _written(path: Path | None, handlers: list[logging.Handler]) -> Iterator[None]:
    """Add the handlers while the block runs; log its beginning and its end."""
    _keep_secrets_of(os.environ)
    level = _PACKAGE.level
    _PACKAGE.setLevel(logging.DEBUG if path else logging.INFO)
    for handler in handlers:
        _PACKAGE.addHandler(handler)
    _open.append(path)
    began = time.monotonic()
    ended = "was ended"
    try:
        logger.info("=== %s", _header())
        yield
        ended = "ended with exit code 0"
    except BaseException as end:
        code = getattr(end, "exit_code", None)  # typer's Exit
        ended = (
            f"ended with {type(end).__name__}" if code is None else f"ended with exit code {code}"
        )
        raise
    finally:
        logger.info("=== %s after %.3f s", ended, time.monotonic() - began)
        _open.clear()
        _PACKAGE.setLevel(level)
        for handler in handlers:
            _PACKAGE.removeHandler(handler)
            handler.close()


def current_file() -> Path | None:
    """Return the file of the transcript that is being written, if any."""
    return _open[0] if _open else None


def chosen_file(environment: Mapping[str, str]) -> Path | None:
    """Return the file that RECAM_LOG or else `log` in the settings file names, or None.

    A settings file that cannot be read counts as none: the command itself reports it.
    """
    if named := environment.get(VARIABLE):
        return Path(named)
    from .settings.file import find_file, read_file

    try:
        path = find_file(environment)
        named = read_file(path).document.get("log") if path else None
    except RecamError:
        return None
    return Path(named) if isinstance(named, str) and named else None


def _header() -> str:
    return (
        f"recam {__version__}: {command_text(('recam', *sys.argv[1:]))} "
        f"(Python {platform.python_version()}, {_machine()}, in {Path.cwd()})"
    )


def _machine() -> str:
    """Name the system. `platform.platform()` would start `uname` with the whole environment."""
    return f"{platform.system()} {platform.release()} {platform.machine()}"


def _keep_secrets_of(environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if name.startswith("RECAM_") and ("PASSWORD" in name or "TOKEN" in name):
            keep_secret(value)


class _FileHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Stops with one warning, not with tracebacks, when the file can no longer be written."""

    def __init__(self, path: Path) -> None:
        # For its owner alone: the transcript holds names, addresses and paths.
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o600)
        super().__init__(os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace"))
        self._path = path

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        from .terminal import Terminal

        self.setLevel(logging.CRITICAL + 1)  # warn once
        reason = sys.exc_info()[1]
        Terminal(as_json=False).warn(f"the log {self._path} can no longer be written: {reason}")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.stream.close()
        super().close()


class _Formatter(logging.Formatter):
    """Formats a record as one line, its traceback on lines below, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        from .terminal import one_line

        record.message = one_line(redact(record.message))
        return super().formatMessage(record)

    def formatTime(  # noqa: N802
        self, record: logging.LogRecord, datefmt: str | None = None
    ) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(record.created))
        zone = time.strftime("%z", time.localtime(record.created))
        return f"{seconds}.{int(record.msecs):03}{zone[:3]}:{zone[3:]}"


def _file_handler(path: Path) -> logging.Handler:
    path = expanded(path).absolute()
    try:
        handler = _FileHandler(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, FileNotFoundError):
            reason = f"there is no folder {path.parent}"
        raise SettingsError(
            f"the log {path} cannot be opened: {reason}",
            f"Name a writable file in an existing folder: --log, {VARIABLE}, or `log` in "
            "recam.toml.",
        ) from error
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    return handler


def _terminal_handler() -> logging.Handler:
    from .terminal import TerminalHandler

    handler = TerminalHandler(logging.INFO)
    handler.setFormatter(_Formatter("%(message)s"))
    return handler
