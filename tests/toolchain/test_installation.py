"""Installing the real compiler: whole after the rename, once for two processes, repaired."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

import pytest

from recam_deploy import process
from recam_deploy.progress import SilentProgress
from recam_deploy.toolchain import Toolchain, ensure, find, remove, status

pytestmark = pytest.mark.toolchain

LOAD_SIMULATOR = """
import ctypes, sys
library = ctypes.CDLL("libcviruntime.so")
for name in ("RegisterModel", "GetInputOutputTensors", "Forward", "CleanupModel"):
    getattr(library, "CVI_NN_" + name)
print(sys.version_info[:2])
"""


def tools_start(toolchain: Toolchain) -> None:
    for tool in ("model_transform", "run_calibration", "run_qtable", "model_deploy"):
        done = process.run(
            [toolchain.python, toolchain.script(tool), "--help"],
            env=toolchain.environment(os.environ),
            timeout=120,
        )
        assert done.returncode == 0, done.tail()


def test_status_tells_of_the_installed_compiler(cache_dir: Path, toolchain: Toolchain) -> None:
    found = status(cache_dir)
    assert found.installed
    assert found.obstacle is None
    assert found.path == toolchain.root
    assert found.python is not None
    assert found.python.startswith("3.10.")
    assert 300e6 < found.size < 1000e6


def test_every_tool_starts_after_the_rename_in_a_folder_with_blanks_and_quotes(
    tmp_path: Path,
) -> None:
    cache = tmp_path / "it's a cache"
    toolchain = ensure(cache, SilentProgress())
    tools_start(toolchain)
    assert remove(cache) > 0
    assert find(cache) is None


def _ensure(cache: Path) -> str:
    return str(ensure(cache, SilentProgress()).root)


def test_two_processes_at_once_both_get_the_one_compiler(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.map(_ensure, [tmp_path, tmp_path])
    assert first == second
    folders = [path for path in (tmp_path / "toolchain").iterdir() if path.is_dir()]
    assert folders == [Path(first)]
    tools_start(Toolchain.at(Path(first)))


def test_a_dead_interpreter_is_noticed_and_the_environment_rebuilt(tmp_path: Path) -> None:
    toolchain = ensure(tmp_path, SilentProgress())
    toolchain.python.unlink()
    toolchain.python.symlink_to("/nowhere/python3.10")
    assert find(tmp_path) is None
    assert ensure(tmp_path, SilentProgress()) == find(tmp_path)


def test_the_simulator_loads_in_this_python(toolchain: Toolchain) -> None:
    libraries = os.pathsep.join(map(str, toolchain.simulator_libraries))
    done = process.run(
        [sys.executable, "-c", LOAD_SIMULATOR], env={"LD_LIBRARY_PATH": libraries}, timeout=60
    )
    assert done.returncode == 0, done.tail()
    assert str(sys.version_info[:2]) in done.stdout
