"""Finding the one interpreter that the compiler runs in."""

from __future__ import annotations

from pathlib import Path

import pytest

from recam_deploy.errors import ToolchainError
from recam_deploy.process import Completed
from recam_deploy.toolchain.python310 import candidates, find_python310, probe
from recam_deploy.toolchain.uv import Uv

from .fakes import FakeRun, Recorder, answer, cannot_start, completed

SHIM = "pyenv: python3.10: command not found"


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_path_comes_before_pyenv_and_the_newest_patch_release_first(tmp_path: Path) -> None:
    shim = program(tmp_path / "shims" / "python3.10")
    real = program(tmp_path / "bin" / "python3.10")
    versions = tmp_path / "pyenv" / "versions"
    old = program(versions / "3.10.4" / "bin" / "python3.10")
    new = program(versions / "3.10.13" / "bin" / "python3.10")
    program(versions / "3.11.2" / "bin" / "python3.11")
    other = program(tmp_path / "home" / ".pyenv" / "versions" / "3.10.9" / "bin" / "python3.10")
    environ = {
        "PATH": f"{tmp_path / 'shims'}::{tmp_path / 'none'}:{tmp_path / 'bin'}",
        "PYENV_ROOT": str(tmp_path / "pyenv"),
    }
    found = [path for path in candidates(environ, tmp_path / "home") if tmp_path in path.parents]
    assert found == [shim, real, new, old, other]


def test_a_place_named_twice_is_tried_once(tmp_path: Path) -> None:
    path = program(tmp_path / ".pyenv" / "versions" / "3.10.1" / "bin" / "python3.10")
    environ = {"PATH": f"{path.parent}:{path.parent}", "PYENV_ROOT": str(tmp_path / ".pyenv")}
    found = [found for found in candidates(environ, tmp_path) if found == path]
    assert found == [path]


def test_a_cpython_310_is_recognised() -> None:
    run = FakeRun(lambda words: completed(stdout=answer()))
    found = probe(Path("/x/python3.10"), run)
    assert found is not None
    assert (found.path, found.version) == (Path("/opt/python3.10/bin/python3.10"), "3.10.13")


@pytest.mark.parametrize(
    "done",
    [
        completed(127, output=SHIM),
        completed(0, stdout="hello"),
        completed(0, stdout="[1]"),
        completed(0, stdout=answer(version="3.11.2")),
        completed(0, stdout=answer(version="3.1.0")),
        completed(0, stdout=answer(implementation="PyPy")),
        completed(0, stdout=answer(machine="aarch64")),
        completed(0, stdout=answer(system="Darwin")),
        completed(0, stdout=answer(bits=32)),
        completed(0, stdout=answer(libc="")),
    ],
)
def test_anything_else_is_not(done: Completed) -> None:
    assert probe(Path("/x/python3.10"), FakeRun(lambda words: done)) is None


def test_a_program_that_does_not_start_is_no_interpreter() -> None:
    assert probe(Path("/x/python3.10"), FakeRun(cannot_start)) is None


def uv_with(run: FakeRun) -> Uv:
    return Uv(Path("/x/uv"), {}, run)


def test_a_shim_is_passed_over_for_the_interpreter_behind_it(tmp_path: Path) -> None:
    shim = program(tmp_path / "shims" / "python3.10")
    real = program(tmp_path / ".pyenv" / "versions" / "3.10.13" / "bin" / "python3.10")

    def respond(words: tuple[str, ...]) -> Completed:
        if words[0] == str(real):
            return completed(stdout=answer(executable=str(real)))
        return completed(127, output=SHIM)

    run = FakeRun(respond)
    environ = {"PATH": str(shim.parent)}
    found = find_python310(uv_with(run), Recorder(), environ=environ, home=tmp_path, run=run)
    assert found.path == real
    assert run.calls[0].words[0] == str(shim)
    assert not run.commands("/x/uv")


def test_the_override_wins_over_path(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "python3.10")
    run = FakeRun(lambda words: completed(stdout=answer(executable=words[0])))
    environ = {"PATH": str(tmp_path / "bin"), "RECAM_PYTHON310": "/mine/python"}
    found = find_python310(uv_with(run), Recorder(), environ=environ, home=tmp_path, run=run)
    assert found.path == Path("/mine/python")


def test_an_override_that_is_no_310_is_an_error_and_nothing_else_is_tried(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "python3.10")
    run = FakeRun(lambda words: completed(stdout=answer(version="3.12.1")))
    environ = {"PATH": str(tmp_path / "bin"), "RECAM_PYTHON310": "/mine/python"}
    with pytest.raises(ToolchainError, match="RECAM_PYTHON310 names /mine/python"):
        find_python310(uv_with(run), Recorder(), environ=environ, home=tmp_path, run=run)
    assert len(run.calls) == 1


def without_local_python(words: tuple[str, ...]) -> Completed | None:
    """The answers of a machine with no CPython 3.10 of its own."""
    return None if words[0] in ("/x/uv", "/managed/python3.10") else completed(127, output=SHIM)


def test_an_interpreter_that_uv_manages_is_used(tmp_path: Path) -> None:
    def respond(words: tuple[str, ...]) -> Completed:
        if words[0] == "/x/uv":
            return completed(stdout="/managed/python3.10\n")
        return without_local_python(words) or completed(stdout=answer(executable=words[0]))

    run = FakeRun(respond)
    found = find_python310(uv_with(run), Recorder(), environ={}, home=tmp_path, run=run)
    assert found.path == Path("/managed/python3.10")
    assert not run.commands("install")


def test_the_last_resort_is_that_uv_fetches_one(tmp_path: Path) -> None:
    fetched: list[bool] = []

    def respond(words: tuple[str, ...]) -> Completed:
        if "install" in words:
            fetched.append(True)
            return completed()
        if words[0] == "/x/uv":
            return completed(stdout="/managed/python3.10\n") if fetched else completed(2)
        return without_local_python(words) or completed(stdout=answer(executable=words[0]))

    run, progress = FakeRun(respond), Recorder()
    found = find_python310(uv_with(run), progress, environ={}, home=tmp_path, run=run)
    assert found.path == Path("/managed/python3.10")
    assert progress.titles == ["Fetching CPython 3.10"]


def test_without_any_the_error_names_the_ways_to_get_one(tmp_path: Path) -> None:
    def respond(words: tuple[str, ...]) -> Completed:
        if "install" in words:
            return completed(1, output="error: Failed to download\n  Caused by: dns error\n")
        return without_local_python(words) or completed(2)

    run = FakeRun(respond)
    with pytest.raises(ToolchainError) as caught:
        find_python310(uv_with(run), Recorder(), environ={}, home=tmp_path, run=run)
    assert "Caused by: dns error" in caught.value.message
    ways = ("deadsnakes", "pyenv", "conda", "Docker", "RECAM_PYTHON310")
    # Case 28: where github.com is closed.
    closed = ("UV_PYTHON_INSTALL_MIRROR", "UV_SYSTEM_CERTS", "HTTPS_PROXY", "github.com")
    for way in (*ways, *closed):
        assert way in caught.value.hint
