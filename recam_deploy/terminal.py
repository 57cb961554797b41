"""The one place that prints: results on stdout, progress and errors on stderr.

With `--json`, stdout carries exactly one document and stderr a line for each finished step.
Without it, progress is shown only where stderr is a terminal. Text may be a camera's or a file's:
what would move the cursor or turn the writing around is shown as an escape.
"""

from __future__ import annotations

import json
import sys
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

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

from .errors import RecamError
from .progress import Step

_SHOWN_ROWS = 30


class Terminal:
    """Prints results and errors, and shows progress: a `progress.Progress`."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._err = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._shows_progress = as_json or self._err.is_terminal
        self._bar: Progress | None = None

    @property
    def may_ask(self) -> bool:
        """Whether there is a person who can answer a question."""
        return not self.as_json and sys.stdin is not None and sys.stdin.isatty()

    def result(self, document: dict[str, Any], lines: Sequence[str] = ()) -> None:
        """The command's result: the document with --json, else the lines for people."""
        if self.as_json:
            self._print_json(document)
        else:
            for line in lines:
                self._out.print(printable(line), markup=False)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table for people; nothing with --json."""
        if self.as_json:
            return
        table = Table(title=Text(one_line(title)), title_justify="left", title_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        Console(file=sys.stdout, highlight=False).print(table)

    def error(self, error: RecamError) -> None:
        """One clear line and the next step, or the JSON error document."""
        if self.as_json:
            self._print_json({"error": error.as_json()})
            return
        self._err.print(Text("error: ", style="bold red") + Text(one_line(error.message)))
        if error.hint:
            self._err.print(Text(" hint: ", style="bold") + Text(one_line(error.hint)))

    def bug(self, message: str, log: str) -> None:
        """An unexpected failure, with the log that holds its traceback."""
        hint = f"This is a bug in recam. Please report it with the log {log}"
        if self.as_json:
            self._print_json({"error": {"kind": "bug", "message": message, "hint": hint}})
        else:
            self._err.print(Text("internal error: ", style="bold red") + Text(one_line(message)))
            self._err.print(Text(hint))

    def say(self, message: str) -> None:
        """One line that stays on the screen, where progress is shown."""
        if self._shows_progress:
            self._err.print(one_line(message), markup=False)

    def warn(self, message: str) -> None:
        """One line that the user should not miss."""
        self._err.print(Text("warning: ", style="bold yellow") + Text(one_line(message)))

    @contextmanager
    def step(self, title: str, unit: str = "") -> Iterator[Step]:
        """Show a piece of work: a bar on a terminal that can draw, and a line when it is done."""
        started = time.monotonic()
        if self._can_draw:
            with self._drawn(title, unit) as step:
                yield step
        else:
            yield _Quiet()
        if self._shows_progress:
            self._err.print(f"{title} … {time.monotonic() - started:.1f} s", markup=False)

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

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Draw no bar while a person is asked something: it would go over the question."""
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
        """A table that is drawn anew for as long as the block lasts, on a terminal only."""
        if self.as_json or not self._can_draw:
            yield _Dark()
            return
        with Live(Text(one_line(title)), console=self._err, transient=True) as live:
            yield _Lit(live)

    def _print_json(self, document: dict[str, Any]) -> None:
        sys.stdout.write(_writable(json.dumps(document, indent=2, ensure_ascii=False)) + "\n")
        sys.stdout.flush()


class Screen(Protocol):
    """Something that shows a table in place of the one before."""

    def show(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        """Show these rows: a label, a score and a box each."""


class _Dark:
    def show(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        pass


class _Lit:
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
    """Text from anywhere as one printable line."""
    return printable(" ".join(part.strip() for part in text.splitlines() if part.strip()))


def printable(text: str) -> str:
    """Text from anywhere with what a terminal would obey escaped as in Python, `\\x1b`; its lines
    stay lines."""
    return "".join(
        c
        if c.isprintable() or c in "\n\t" or unicodedata.category(c) == "Zs"
        else c.encode("unicode_escape").decode()
        for c in text
    )


def _writable(text: str) -> str:
    """Text with the bytes of names that are not UTF-8 escaped, in JSON as in Python: `\\udce9`."""
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")


class _Quiet:
    def update(
        self, done: float | None = None, total: float | None = None, note: str | None = None
    ) -> None:
        pass


class _Amount(ProgressColumn):
    """Bytes as a download, other units as counts, nothing while the total is unknown."""

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
    """How long it may still take, where that can be told."""

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
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        _Amount(),
        TimeElapsedColumn(),
        _TimeLeft(),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
    )
    return Progress(*columns, console=console, transient=True)
