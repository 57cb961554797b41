"""What skips is counted by its reason where a run ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import skip_summary

TESTS = """
import pytest

@pytest.fixture
def broker():
    pytest.skip("there is no broker")

@pytest.mark.parametrize("number", range(3))
def test_with_a_broker(broker, number):
    pass

@pytest.mark.skipif(True, reason="takes root")
def test_as_root():
    pass

def test_in_its_midst():
    pytest.skip("there is no broker")

@pytest.mark.xfail
def test_that_fails():
    assert False

def test_that_passes():
    pass
"""
MODULE = 'import pytest\npytest.importorskip("no_such_library", reason="a library is missing")\n'


def lines_of(folder: Path, *files: tuple[str, str]) -> list[str]:
    """Run these test files with the plugin; the lines it prints."""
    for name, text in files:
        (folder / name).write_text(text, encoding="utf-8")
    folder_of_plugin = str(Path(skip_summary.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "skip_summary", "-p", "no:cacheprovider", "-q"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": folder_of_plugin, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "passed" in done.stdout, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith("skipped ")]


def test_skips_are_counted_by_reason_the_most_frequent_first(tmp_path: Path) -> None:
    assert lines_of(tmp_path, ("test_some.py", TESTS), ("test_whole.py", MODULE)) == [
        "skipped 4: there is no broker",
        "skipped 1: a library is missing",
        "skipped 1: takes root",
    ]


def test_a_run_without_skips_says_nothing_of_them(tmp_path: Path) -> None:
    assert lines_of(tmp_path, ("test_some.py", "def test(): pass\n")) == []
