"""The real Node-RED that the tests of flows share, and a real broker."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_red_runs import Runtime, free_port, node_red
from pushes import Editor


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """One Node-RED for all tests that leave it running; each sets the flows that it needs."""
    with node_red(tmp_path_factory.mktemp("node-red")) as started:
        yield started


@pytest.fixture
def editor(tmp_path: Path) -> Editor:
    """Keep documents in a folder of the test's own."""
    return Editor(tmp_path / "kept")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if not program:
        pytest.skip("mosquitto is not installed")
    port = free_port()
    (tmp_path / "conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen([program, "-c", tmp_path / "conf"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as link:
                if link.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(10)
