"""Turn exceptions into exit codes and messages: expected, interrupted, or a bug.

Exit codes: 0 done, 1 an expected failure, 2 usage (typer's own), 3 a bug, 130 interrupted.
"""

from __future__ import annotations

import errno
import functools
import inspect
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, ParamSpec, TypeVar

import typer

from ..errors import RecamError

P = ParamSpec("P")
R = TypeVar("R")

FAILED, USAGE, BUG, INTERRUPTED = 1, 2, 3, 130
# What a shell adds to a signal's number.
_KILLED = 128


def bounded(command: Callable[P, R]) -> Callable[P, R]:
    """Wrap a command so that it ends with one of the exit codes and says why.

    The command's parameter `as_json`, where it has one, decides how errors are printed.
    """

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        as_json = bool(kwargs.get("as_json", False))
        try:
            return command(*args, **kwargs)
        except typer.Exit:
            raise
        except RecamError as error:
            _terminal(as_json).error(error)
            raise typer.Exit(FAILED) from None
        except (KeyboardInterrupt, typer.Abort):
            report_interruption(as_json)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            sys.stderr.close()
            raise typer.Exit(FAILED) from None
        except OSError as error:
            if error.errno not in _OF_THE_SYSTEM:
                _report_bug(error, as_json)
            _terminal(as_json).error(_of_the_system(error))
            raise typer.Exit(FAILED) from None
        except Exception as error:
            _report_bug(error, as_json)

    wrapper.__doc__ = _unwrapped(command.__doc__)
    return wrapper


def _unwrapped(text: str | None) -> str:
    """Help whose paragraphs are one line each, for typer to wrap: of its own accord it joins the
    lines of the first only."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)


def _report_bug(error: Exception, as_json: bool) -> NoReturn:
    message = f"{type(error).__name__}: {error}"
    _terminal(as_json).bug(message, str(_write_log()))
    raise typer.Exit(BUG) from None


# What the machine refuses is no bug: full disks, missing rights, wrong kinds of file.
_OF_THE_SYSTEM = frozenset(
    {
        errno.EACCES,
        errno.EDQUOT,
        errno.EEXIST,
        errno.EISDIR,
        errno.EMFILE,
        errno.ENAMETOOLONG,
        errno.ENOSPC,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)


class _SystemRefusedError(RecamError):
    kind = "system"


def _of_the_system(error: OSError) -> RecamError:
    where = f"{error.filename}: " if error.filename else ""
    return _SystemRefusedError(
        f"{where}{error.strerror}",
        "Check the path, its permissions and the free space; RECAM_CACHE_DIR names the cache.",
    )


class _InterruptedError(RecamError):
    kind = "interrupted"


class _UsageError(RecamError):
    kind = "usage"


def report_interruption(as_json: bool | None = None) -> None:
    """Say that the user has ended the command; by default as the command line asks for it."""
    as_json = _asks_for_json() if as_json is None else as_json
    _terminal(as_json).error(_InterruptedError("interrupted", "Run it again to go on."))


def report_early_end(end: SystemExit) -> None:
    """Say what typer leaves unsaid where it ends the program before a command begins.

    It explains a mistake in the command line to people only, and an interruption to nobody.
    """
    ended_by = end.__context__
    if isinstance(getattr(ended_by, "__cause__", None), KeyboardInterrupt):
        report_interruption()
    elif end.code == USAGE and _asks_for_json():
        # The class is private to typer, which has its own copy of click in newer versions.
        told = getattr(ended_by, "format_message", lambda: "the command line has a mistake")
        message = " ".join(told().split())
        command = getattr(getattr(ended_by, "ctx", None), "command_path", "recam")
        _terminal(True).error(_UsageError(message, f"See `{command} --help`."))


def _asks_for_json() -> bool:
    return "--json" in sys.argv[1:]


def _terminal(as_json: bool) -> Any:
    from ..terminal import Terminal

    return Terminal(as_json=as_json)


def _write_log() -> Path:
    """The traceback in a file only its owner can read; the fallback is a temporary file."""
    import tempfile

    from platformdirs import user_log_path

    text = f"{sys.version}\n{sys.platform}\n\n{traceback.format_exc()}"
    folder = user_log_path("recam")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.gettempdir())
    handle, name = tempfile.mkstemp(dir=folder, prefix="bug-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return Path(name)


def end_on_sigterm() -> None:
    """Let SIGTERM unwind the stack as Ctrl-C does, so that nothing is left behind; and SIGHUP, that
    of a terminal which is closed, unless `nohup` has it ignored."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(_KILLED + number)

    signal.signal(signal.SIGTERM, stop)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, stop)
