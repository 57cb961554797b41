"""`recam virtual` starts a camera that can be reached at once, and ends it without a trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from recam_runs import Run

pytestmark = pytest.mark.toolchain


def test_up_status_and_down_tell_the_truth(run: Run, tmp_path: Path) -> None:
    words = ("--dir", tmp_path / "camera", "--json")
    assert run("virtual", "status", *words, cwd=tmp_path).document["running"] is False
    up = run("virtual", "up", "--detach", *words, cwd=tmp_path)
    assert up.code == 0, up.err + up.out
    assert {"host", "ssh_port", "user", "settings"} <= set(up.document)
    assert {"http_url", "mqtt_port", "preview_ws"} <= set(up.document)
    assert up.document["node_red_url"].startswith("http://127.0.0.1:")
    assert run("virtual", "up", "--detach", *words, cwd=tmp_path).document == up.document
    status = run("virtual", "status", *words, cwd=tmp_path).document
    assert (status["running"], status["pid"]) == (True, up.document["pid"])
    assert run("virtual", "down", *words, cwd=tmp_path).document["stopped"] is True
    assert run("virtual", "down", *words, cwd=tmp_path).document["stopped"] is False
    assert ended(up.document["pid"])


def test_the_same_camera_comes_back(run: Run, tmp_path: Path) -> None:
    words = ("--dir", tmp_path / "camera", "--json")
    first = run("virtual", "up", "--detach", *words, cwd=tmp_path).document
    key = (tmp_path / "camera" / "known_hosts").read_text()
    run("virtual", "down", *words, cwd=tmp_path)
    second = run("virtual", "up", "--detach", *words, cwd=tmp_path).document
    run("virtual", "down", *words, cwd=tmp_path)
    assert second["ssh_port"] == first["ssh_port"]
    assert (tmp_path / "camera" / "known_hosts").read_text() == key


def test_no_password_is_written_where_others_can_read(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "camera"
    up = run("virtual", "up", "--detach", "--dir", folder, "--json", cwd=tmp_path).document
    assert "password =" not in Path(up["settings"]).read_text()
    assert folder.stat().st_mode & 0o077 == 0
    run("virtual", "down", "--dir", folder, cwd=tmp_path)


def ended(pid: int) -> bool:
    """Whether a process is gone, or only waits for init to take notice of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
