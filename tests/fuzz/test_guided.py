"""A minute of coverage-guided fuzzing for each reader, or as long as RECAM_FUZZ_SECONDS says.

python -m pytest tests/fuzz -m slow
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from readers import READERS

SCRIPT = Path(__file__).with_name("guided.py")
SECONDS = os.environ.get("RECAM_FUZZ_SECONDS", "60")


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_nothing_that_is_found_by_coverage_breaks_a_reader(reader: str, tmp_path: Path) -> None:
    pytest.importorskip(
        "atheris",
        reason="atheris is not installed: pip install -e '.[fuzz]' "
        "(Linux, x86-64, Python 3.11 or newer)",
    )
    words = [reader, "--seconds", SECONDS, "--found", str(tmp_path / "found")]
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    assert not list((tmp_path / "found").iterdir())
