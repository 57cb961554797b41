"""Turn exceptions into messages and exit codes.

Exit codes: 0 done, 1 an expected failure, 2 usage (typer's own), 3 a bug, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, ParamSpec, TypeVar

import typer

from ..errors import LostOutputError, RecamError, UsageError
from ..system_errors import explain
from .options.common import LogFile, Verbose
from .options.effects import note_flags
from .streams import abandon_streams

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

FAILED, USAGE, BUG, INTERRUPTED = 1, 2, 3, 130
# A shell reports a process that a signal ended as 128 plus the signal's number.
_KILLED = 128


def bounded(command: Callable[P, R]) -> Callable[P, R]:
    """Wrap a command so that every failure is printed and ends with one of the exit codes.

    The command's parameter `as_json`, if it has one, decides how errors are printed. The wrapper
    adds the flags of the transcript, `--log` and `-v`, and refuses flags that have no effect.
    """

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        as_json = bool(kwargs.get("as_json", False))
        file, verbose = kwargs.pop("log_file", None), kwargs.pop("verbose", False)
        context = kwargs.pop("context", None)

        def logged() -> R:
            if context is not None:
                note_flags(context)
            with _transcript(file, bool(verbose)):
                return _bounded(command, as_json, *args, **kwargs)

        return _bounded(logged, as_json)  # for failures of the flags and of the transcript

    wrapper.__doc__ = _unwrapped(command.__doc__)
    _add_flags(wrapper, command)
    return wrapper


def _bounded(command: Callable[P, R], as_json: bool, /, *args: P.args, **kwargs: P.kwargs) -> R:
    try:
        return command(*args, **kwargs)
    except typer.Exit:
        raise
    except RecamError as error:
        _terminal(as_json).error(error)
        raise typer.Exit(_exit_code(error)) from None
    except (KeyboardInterrupt, typer.Abort):
        report_interruption(as_json)
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        abandon_streams()
        raise typer.Exit(FAILED) from None
    except LostOutputError:
        raise  # to `report_lost_output`
    except Exception as error:
        refused = explain(error)
        if refused is None:
            _report_bug(error, as_json)
        _terminal(as_json).error(refused)
        raise typer.Exit(FAILED) from None


def _exit_code(error: RecamError) -> int:
    return USAGE if isinstance(error, UsageError) else FAILED


def _transcript(file: Any, verbose: bool) -> AbstractContextManager[None]:
    from ..transcript import transcript

    return transcript(file, verbose=verbose)


def _add_flags(wrapper: Any, command: Callable[..., Any]) -> None:
    """Add the transcript's flags to the signature that typer reads."""
    signature = inspect.signature(command, eval_str=True)
    flags = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, default, kind in (("log_file", None, LogFile), ("verbose", False, Verbose))
    ]
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [*signature.parameters.values(), *flags, context]
    wrapper.__signature__ = signature.replace(parameters=parameters)
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}


def _unwrapped(text: str | None) -> str:
    """Join the lines of each paragraph of a help text: typer itself joins only the first's."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)


def _report_bug(error: Exception, as_json: bool) -> NoReturn:
    from ..redaction import redact
    from ..transcript import current_file

    message = redact(f"{type(error).__name__}: {error}")
    logger.debug("the traceback of a bug:", exc_info=error)
    log = _write_log()
    logs = [f"the log {log}"] if log else []
    if file := current_file():
        logs.append(f"the transcript {file}")
    _terminal(as_json).bug(message, *logs)
    raise typer.Exit(BUG) from None


class _InterruptedError(RecamError):
    kind = "interrupted"


def report_interruption(as_json: bool | None = None) -> None:
    """Print that the user has interrupted the command; None reads --json off the command line."""
    as_json = _wants_json() if as_json is None else as_json
    _terminal(as_json).error(_InterruptedError("interrupted", "Run it again to continue."))


def report_early_end(end: SystemExit) -> None:
    """Print the error where typer ends the program before a command runs.

    Typer prints usage errors as text only, not as JSON, and prints nothing for Ctrl-C.
    """
    ended_by = end.__context__
    if isinstance(getattr(ended_by, "__cause__", None), KeyboardInterrupt):
        report_interruption()
    elif end.code == USAGE and not isinstance(ended_by, typer.Exit) and _wants_json():
        # The class is private to typer, which has its own copy of click in newer versions.
        text = getattr(ended_by, "format_message", lambda: "the command line has a mistake")
        message = " ".join(text().split())
        command = getattr(getattr(ended_by, "ctx", None), "command_path", "recam")
        _terminal(True).error(UsageError(message, f"See `{command} --help`."))


def report_lost_output(error: OSError) -> NoReturn:
    """Exit where stdout or stderr can no longer be written; say why, unless the reader is gone."""
    text = f"error: the output cannot be written: {error.strerror or error}\n"
    if error.errno != errno.EPIPE:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()
    abandon_streams()
    sys.exit(FAILED)


def _wants_json() -> bool:
    return "--json" in sys.argv[1:]


def _terminal(as_json: bool) -> Any:
    from ..terminal import Terminal

    return Terminal(as_json=as_json)


def _write_log() -> Path | None:
    """Write the traceback to a file that only its owner can read; return its path.

    Without a log folder, write to the system's folder for temporary files. Return None where
    neither can be written.
    """
    import tempfile

    from ..folders import user_log
    from ..redaction import redact

    text = redact(f"{sys.version}\n{sys.platform}\n\n{traceback.format_exc()}")
    for find in (user_log, lambda: Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError, RecamError):
            folder = find()
            folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=folder, prefix="bug-", suffix=".log")
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            return Path(name)
    return None


def end_on_sigterm() -> None:
    """Make SIGTERM, and SIGHUP from a closed terminal, unwind the stack as Ctrl-C does.

    The clean-up of each block then runs. A SIGHUP that `nohup` ignores stays ignored.
    """

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(_KILLED + number)

    signal.signal(signal.SIGTERM, stop)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, stop)
