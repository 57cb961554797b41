"""Print results on stdout, progress and errors on stderr; no other module prints.

With `--json`, stdout gets exactly one document, and stderr a line for each finished step. Without
it, progress is shown only where stderr is a terminal. Text may come from a camera or a file:
control characters, and those that change the direction of text, are printed as escapes.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from .errors import LostOutputError, RecamError
from .progress import Step
from .redaction import keep_secret

if TYPE_CHECKING:
    from pydantic import SecretStr

_SHOWN_ROWS = 30

logger = logging.getLogger(__name__)


class Terminal:
    """Print results and errors, show progress and ask questions: an `interaction.Interaction`."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._err = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._shows_progress = as_json or self._err.is_terminal
        self._bar: Progress | None = None
        _made[:] = [self]

    @property
    def may_ask(self) -> bool:
        """Say whether stdin is a terminal, where a person can answer."""
        return not self.as_json and sys.stdin is not None and sys.stdin.isatty()

    def result(self, document: dict[str, Any], lines: Sequence[str] = ()) -> None:
        """Print the command's result: the document with --json, else the lines for people."""
        if self.as_json:
            self._print_json(document)
        else:
            with _printing():
                for line in lines:
                    self._out.print(printable(line), markup=False)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table for people; nothing with --json."""
        if self.as_json:
            return
        table = Table(title=Text(one_line(title)), title_justify="left", title_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        with _printing():
            Console(file=sys.stdout, highlight=False).print(table)

    def error(self, error: RecamError) -> None:
        """Print the message and the hint, or with --json the error document."""
        logger.error("%s: %s (hint: %s)", error.kind, error.message, error.hint or "none")
        if self.as_json:
            self._print_json({"error": error.as_json()})
            return
        self._err.print(Text("error: ", style="bold red") + Text(one_line(error.message)))
        if error.hint:
            self._err.print(Text(" hint: ", style="bold") + Text(one_line(error.hint)))

    def bug(self, message: str, *logs: str) -> None:
        """Print an unexpected failure, and the names of the logs that hold its traceback."""
        attached = f"attach {' and '.join(logs)} to" if logs else "run it again with --log FILE for"
        hint = (
            f"This is a bug in recam. Please {attached} a bug report in the project's issue "
            "tracker."
        )
        logger.error("bug: %s", message)
        if self.as_json:
            self._print_json({"error": {"kind": "bug", "message": message, "hint": hint}})
        else:
            self._err.print(Text("internal error: ", style="bold red") + Text(one_line(message)))
            self._err.print(Text(hint))

    def say(self, message: str) -> None:
        """Print one line that stays on the screen, where progress is shown."""
        logger.info("%s", message)
        if self._shows_progress:
            self._err.print(one_line(message), markup=False)

    def warn(self, message: str) -> None:
        """Print one line that the user should not miss, on stderr."""
        logger.warning("%s", message)
        self._err.print(Text("warning: ", style="bold yellow") + Text(one_line(message)))

    def note(self, line: str) -> None:
        """Print one line of the log on stderr."""
        self._err.print(Text(line, style="dim"))

    @contextmanager
    def step(self, title: str, unit: str = "") -> Iterator[Step]:
        """Show a step: a bar where the terminal can draw one, and a line when it is done."""
        logger.debug("started: %s", title)
        started = time.monotonic()
        if self._can_draw:
            with self._drawn(title, unit) as step:
                yield step
        else:
            yield _HiddenStep()
        seconds = time.monotonic() - started
        logger.debug("done: %s, %.3f s", title, seconds)
        if self._shows_progress:
            self._err.print(f"{title} … {seconds:.1f} s", markup=False)

    @property
    def _can_draw(self) -> bool:
        return self._err.is_terminal and not self._err.is_dumb_terminal

    @contextmanager
    def _drawn(self, title: str, unit: str) -> Iterator[Step]:
        bar = _bar(self._err)
        self._bar = bar
        try:
            with bar:
                yield _Bar(bar, title, unit)
        finally:
            self._bar = None

    def confirm(self, question: str) -> bool:
        """Ask a yes or no question; return False where nobody can answer. Raises typer.Abort."""
        import typer

        if not self.may_ask:
            return False
        with self._asking():
            return typer.confirm(printable(question), err=True)

    def ask(self, question: str, default: str) -> str:
        """Ask for a line of text. Raises typer.Abort."""
        import typer

        with self._asking():
            return str(typer.prompt(printable(question), default=default, err=True))

    def ask_secret(self, question: str) -> SecretStr:
        """Ask for a secret, without echo. Raises typer.Abort."""
        import getpass

        import typer
        from pydantic import SecretStr

        try:
            with self._asking():
                secret = SecretStr(getpass.getpass(printable(question)))
        except EOFError:
            raise typer.Abort from None
        keep_secret(secret)
        return secret

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Hide the bar while a question is open: it would overwrite the question."""
        bar = self._bar
        if bar:
            bar.stop()
        try:
            yield
        finally:
            if bar:
                bar.start()

    @contextmanager
    def live(self, title: str) -> Iterator[Screen]:
        """Show a table that `Screen.show` redraws until the block ends, on a terminal only."""
        if self.as_json or not self._can_draw:
            yield _NoScreen()
            return
        with Live(Text(one_line(title)), console=self._err, transient=True) as live:
            yield _LiveScreen(live)

    def _print_json(self, document: dict[str, Any]) -> None:
        # Other encodings than UTF-8 lack characters, or write them as bytes that no reader expects.
        text = json.dumps(document, indent=2, ensure_ascii=not _is_utf8(sys.stdout))
        with _printing():
            sys.stdout.write(_writable(text) + "\n")
            sys.stdout.flush()


# The newest terminal, which holds the bar that is on the screen.
_made: list[Terminal] = []


class TerminalHandler(logging.Handler):
    """Shows log records above the bar, except those that `Terminal` has printed already."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        _made.clear()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == __name__:
            return
        terminal = _made[0] if _made else Terminal(as_json=False)
        try:
            terminal.note(self.format(record))
        except Exception:
            self.handleError(record)


class Screen(Protocol):
    """Shows a table in place of the one before."""

    def show(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        """Show these rows: a label, a score and a box each."""


class _NoScreen:
    def show(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        pass


class _LiveScreen:
    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        table = Table(title=one_line(title), title_justify="left", title_style="bold")
        for column in ("object", "score", "box"):
            table.add_column(column, overflow="fold")
        for row in rows[:_SHOWN_ROWS]:
            table.add_row(*(Text(one_line(cell)) for cell in row))
        self._live.update(table)


def one_line(text: str) -> str:
    """Return text as one printable line; see `printable`."""
    return printable(" ".join(part.strip() for part in text.splitlines() if part.strip()))


def printable(text: str) -> str:
    """Escape in `text` what is not printable, as in Python, `\\x1b`; keep line breaks and tabs."""
    return "".join(
        c
        if c.isprintable() or c in "\n\t" or unicodedata.category(c) == "Zs"
        else c.encode("unicode_escape").decode()
        for c in text
    )


@contextmanager
def _printing() -> Iterator[None]:
    """Tell failures to write stdout from all others. Raises LostOutputError, or BrokenPipeError."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise LostOutputError(error.errno, error.strerror) from error


def _is_utf8(stream: TextIO) -> bool:
    return (stream.encoding or "utf-8").lower().startswith("utf")


def _writable(text: str) -> str:
    """Escape bytes of file names that are not UTF-8, in JSON as in Python: `\\udce9`."""
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")


class _HiddenStep:
    def update(
        self, done: float | None = None, total: float | None = None, note: str | None = None
    ) -> None:
        pass


class _Amount(ProgressColumn):
    """Shows bytes as a download, other units as counts, nothing while the total is unknown."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes, self._count = DownloadColumn(), MofNCompleteColumn()

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text("")
        if task.fields["unit"] == "bytes":
            return self._bytes.render(task)
        return self._count.render(task) + Text(f" {task.fields['unit']}")


class _TimeLeft(ProgressColumn):
    """Shows the time left, where it can be estimated."""

    def render(self, task: Task) -> Text:
        left = task.time_remaining
        if task.total is None or left is None or task.finished:
            return Text("")
        minutes, seconds = divmod(int(left) + 1, 60)
        return Text(f"{minutes}:{seconds:02} left", style="progress.remaining")


class _Bar:
    def __init__(self, progress: Progress, title: str, unit: str) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=None, unit=unit, note="")

    def update(
        self, done: float | None = None, total: float | None = None, note: str | None = None
    ) -> None:
        if total is not None:
            self._progress.update(self._task, total=total)
        if done is not None:
            self._progress.update(self._task, completed=done)
        if note is not None:
            self._progress.update(self._task, note=one_line(note))


def _bar(console: Console) -> Progress:
    columns = (
        SpinnerColumn("line" if console.options.ascii_only else "dots"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        _Amount(),
        TimeElapsedColumn(),
        _TimeLeft(),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
    )
    return Progress(*columns, console=console, transient=True)
