"""Count what skipped, by reason, at the end of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

Report = pytest.TestReport | pytest.CollectReport


def count_reasons(reports: Iterable[Report]) -> list[tuple[str, int]]:
    """Count skipped tests, and modules skipped whole, by reason; the most frequent first."""
    counts = Counter(_reason(report) for report in reports)
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def _reason(report: Report) -> str:
    """The words after "Skipped: "; pytest keeps a skip as path, line and message."""
    skip = report.longrepr
    message = skip[2] if isinstance(skip, tuple) else str(skip)
    return " ".join(message.removeprefix("Skipped: ").split())


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a line for each reason; nothing where nothing skipped."""
    for reason, number in count_reasons(terminalreporter.getreports("skipped")):
        terminalreporter.write_line(f"skipped {number}: {reason}")
