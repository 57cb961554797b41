"""The README's program in Python runs as it stands, against the virtual camera."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from recam_runs import DEMO

README = Path(__file__).parents[2] / "README.md"
pytestmark = pytest.mark.toolchain


def test_the_program_of_the_readme_deploys_and_prints_only_its_own_lines(
    environment: dict[str, str], camera: dict[str, Any], tmp_path: Path
) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    assert len(program.strip().splitlines()) <= 11
    shutil.copy(DEMO / "shapes.onnx", tmp_path / "yolo11n.onnx")
    shutil.copy(min((DEMO / "test").glob("*.jpg")), tmp_path / "bus.jpg")
    (tmp_path / "pictures").mkdir()
    for picture in sorted((DEMO / "calibration").iterdir())[:8]:
        shutil.copy(picture, tmp_path / "pictures")
    host = re.search(r'^host = "(.*)"', Path(camera["settings"]).read_text(), re.MULTILINE)
    assert host
    done = subprocess.run(
        [sys.executable, "-c", program.replace("192.168.42.1", host[1])],
        cwd=tmp_path,
        env=environment | {"RECAM_SETTINGS": camera["settings"]},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *found, last = done.stdout.splitlines()
    assert re.fullmatch(r"(0\.9\d+|1\.0) is the least cosine of the outputs", first)
    assert found
    assert all(re.match(r"\w+ 0\.\d+ \(", line) for line in found), found
    assert last.endswith(".json") or last == "None"
    assert done.stderr == ""
    assert (tmp_path / "Out.labeled.jpg").is_file()
