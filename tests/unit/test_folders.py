"""Users without a home, homes that cannot be written to, and places that are gone.

Case 24 and its relatives: containers with another user id, services, CI.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from recam_deploy.folders import NoHomeError, expanded, expanded_if_known, home, user_cache
from recam_deploy.toolchain.uv import find_uv

MODEL = Path(__file__).parents[1] / "models" / "yolo11-shapes-192.onnx"
# A user whom the system does not know: `setpriv --reuid 54321`, `docker run --user 54321`.
STRANGER = """
import pwd
def unknown(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = unknown
from recam_deploy.__main__ import main
main()
"""


def _recam(
    *words: str, env: Mapping[str, str], cwd: Path
) -> tuple[subprocess.CompletedProcess[str], dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, *words, "--json"],
        env={"PATH": os.environ["PATH"], **env},
        cwd=cwd,
        text=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done, json.loads(done.stdout)


@pytest.mark.parametrize("env", [{}, {"HOME": ""}, {"HOME": "rel/x"}], ids=str)
def test_without_a_home_one_line_names_the_variables(env: dict[str, str], tmp_path: Path) -> None:
    done, document = _recam("cache", "info", env=env, cwd=tmp_path)
    assert done.returncode == 1
    error = document["error"]
    assert isinstance(error, dict)
    assert error["kind"] == "settings"
    assert "HOME" in error["message"]
    assert "RECAM_CACHE_DIR" in error["hint"]
    assert not list(tmp_path.iterdir()), "nothing is made in the working folder"


def test_without_a_home_what_needs_none_works(tmp_path: Path) -> None:
    done, _ = _recam("inspect", str(MODEL), env={}, cwd=tmp_path)
    assert done.returncode == 0
    done, document = _recam("cache", "info", env={"RECAM_CACHE_DIR": "c"}, cwd=tmp_path)
    assert done.returncode == 0
    assert document["path"] == str(tmp_path / "c" / "steps")


def test_without_a_home_known_hosts_can_be_named(tmp_path: Path) -> None:
    words = ("history", "--host", "127.0.0.1", "--port", "1")
    done, document = _recam(*words, env={}, cwd=tmp_path)
    assert done.returncode == 1
    assert "RECAM_KNOWN_HOSTS" in str(document)
    env = {"RECAM_KNOWN_HOSTS": "known", "RECAM_CACHE_DIR": "c"}
    done, document = _recam(*words, env=env, cwd=tmp_path)
    assert "refused" in str(document)


@pytest.mark.parametrize("env", [{"RECAM_CACHE_DIR": "~/c"}, {"RECAM_LOG": "~nobody-there/x"}])
def test_a_home_that_is_not_known_is_no_bug(env: dict[str, str], tmp_path: Path) -> None:
    done, document = _recam("cache", "info", env=env, cwd=tmp_path)
    assert done.returncode == 1
    assert "is no home folder" in str(document)


def test_a_bug_is_reported_where_no_log_can_be_written(tmp_path: Path) -> None:
    """The report's own failure hid the bug's."""
    script = STRANGER.removesuffix("main()\n") + (
        "import tempfile\n"
        "def full(*words, **options):\n"
        "    raise OSError(28, 'No space left on device')\n"
        "tempfile.mkstemp = full\n"
        "from recam_deploy.cli.error_handler import bounded\n"
        "@bounded\n"
        "def command(as_json: bool = False) -> None:\n"
        "    raise KeyError('a bug')\n"
        "import typer\n"
        "typer.run(command)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith("internal error: KeyError: 'a bug'\n")
    assert "--log FILE" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_working_folder_that_was_removed_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", f"rmdir ../gone; exec '{sys.executable}' -P -m recam_deploy cache info"]
        if sys.version_info >= (3, 11)
        else [
            "/bin/sh",
            "-c",
            f"rmdir ../gone; exec '{sys.executable}' -m recam_deploy cache info",
        ],
        env={**os.environ, "RECAM_CACHE_DIR": "relative"},
        cwd=gone,
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: the working folder does not exist any more\n")


def test_the_home_is_taken_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert home() == tmp_path
    assert expanded(Path("~/a")) == tmp_path / "a"
    assert expanded(Path("a/~/b")) == Path("a/~/b")
    assert tmp_path in user_cache().parents
    with pytest.raises(NoHomeError, match="~nobody-there"):
        expanded(Path("~nobody-there/x"))


def test_uv_keeps_its_files_in_the_cache_where_the_home_cannot_be_written_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It left `.uv_cache` in the working folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "UV_CACHE_DIR" not in find_uv({}, tmp_path).environ
    for place in ("", "relative", str(tmp_path / "none")):
        monkeypatch.setenv("HOME", place)
        found = find_uv({}, tmp_path).environ
        assert found["UV_CACHE_DIR"] == str(tmp_path / "uv" / "cache")
        assert found["UV_PYTHON_INSTALL_DIR"] == str(tmp_path / "uv" / "python")
    assert find_uv({"UV_CACHE_DIR": "/mine"}, tmp_path).environ["UV_CACHE_DIR"] == "/mine"


@pytest.mark.parametrize("name", ["~\0", "~\0user/a.jpg", "~nobody-of-that-name/a.jpg"])
def test_a_home_folder_that_cannot_be_is_refused_or_left_as_it_is(name: str) -> None:
    """Case 17; the NUL was found by guided fuzzing."""
    with pytest.raises(NoHomeError):
        expanded(Path(name))
    assert expanded_if_known(Path(name)) == Path(name)
