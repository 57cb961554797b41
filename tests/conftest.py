"""Settings for all tests; and the table of faults in tests/faults/README.md, made from a run."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from fault_rows import table
from hypothesis import settings

pytest_plugins = ("secrecy_plugin", "skip_summary")

# How long an example takes says more of the machine than of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_OUTCOMES: list[tuple[str, str]] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape half characters in captured output, which pytest-xdist cannot send."""
    report = yield
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode())
        for title, text in report.sections
    ]
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember how each test of a row ended, for the table."""
    if report.when == "call" or report.outcome == "skipped":
        _OUTCOMES.append((report.nodeid, report.outcome))


def pytest_sessionfinish() -> None:
    """Write the table of the rows as Markdown where RECAM_FAULT_TABLE names a file."""
    path = os.environ.get("RECAM_FAULT_TABLE")
    if path and "PYTEST_XDIST_WORKER" not in os.environ:
        Path(path).write_text(table(_OUTCOMES), encoding="utf-8")
