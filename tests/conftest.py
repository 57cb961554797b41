"""The table of faults in README.md, made from a run: tests named after a row may lie anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fault_rows import table

pytest_plugins = ("secrecy_plugin",)

_OUTCOMES: list[tuple[str, str]] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember how each test of a row ended, for the table."""
    if report.when == "call" or report.outcome == "skipped":
        _OUTCOMES.append((report.nodeid, report.outcome))


def pytest_sessionfinish() -> None:
    """Write the table of the rows as Markdown where RECAM_FAULT_TABLE names a file."""
    path = os.environ.get("RECAM_FAULT_TABLE")
    if path:
        Path(path).write_text(table(_OUTCOMES), encoding="utf-8")
