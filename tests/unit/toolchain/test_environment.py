"""Installing once, publishing whole, repairing, removing: with a uv that only pretends."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from recam_deploy.errors import ToolchainError
from recam_deploy.process import Completed
from recam_deploy.toolchain import environment
from recam_deploy.toolchain.environment import ensure, find, remove, status
from recam_deploy.toolchain.host import HostFacts
from recam_deploy.toolchain.installation import START_CHECK
from recam_deploy.toolchain.local import BUNDLED_LIBRARIES, MANIFEST, Toolchain, toolchain_root

from .fakes import FakeRun, Recorder, answer, captured, completed

HOST = HostFacts("Linux", "x86_64", (2, 36))
ENVIRON = {"RECAM_PYTHON310": "/opt/python3.10"}


class FakeInstaller:
    """What uv and the interpreter do, on the disk; `fail` makes one step fail with a text."""

    def __init__(self, fail: dict[str, str] | None = None, seconds: float = 0.0) -> None:
        self.fail = fail or {}
        self.seconds = seconds
        self.builds = 0

    def __call__(self, words: tuple[str, ...]) -> Completed:
        for step, text in self.fail.items():
            if step in words:
                return completed(1, output=text)
        if words[0] == "/opt/python3.10":
            return completed(stdout=answer())
        if "venv" in words:
            python = Path(words[-1]) / "bin" / "python3"
            python.parent.mkdir(parents=True)
            python.touch()
        elif "install" in words:
            self._install(Path(words[words.index("--python") + 1]))
        elif not Path(words[0]).is_file():
            return completed(127)
        return completed()

    def _install(self, python: Path) -> None:
        self.builds += 1
        time.sleep(self.seconds)
        toolchain = Toolchain.at(python.parents[2])
        libraries = toolchain.package / "lib" / "third_party"
        libraries.mkdir(parents=True)
        for name in (*BUNDLED_LIBRARIES, "libc.so.6", "libm.so.6", "libpython3.10.so.1.0"):
            (libraries / name).write_text(name)
        script = toolchain.script("model_transform")
        script.parent.mkdir(parents=True)
        script.write_text("print()")


def install(cache: Path, installer: FakeInstaller, progress: Recorder | None = None) -> Toolchain:
    run = FakeRun(installer)
    return ensure(cache, progress or Recorder(), host=HOST, environ=ENVIRON, run=run)


def visible(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "toolchain").iterdir() if path.name != ".lock")


def test_nothing_is_found_before_it_is_installed(tmp_path: Path) -> None:
    assert find(tmp_path, FakeRun(FakeInstaller())) is None
    assert not list(tmp_path.iterdir())


def test_installing_publishes_one_whole_folder(tmp_path: Path) -> None:
    installer = FakeInstaller()
    toolchain = install(tmp_path, installer)
    assert toolchain == find(tmp_path, FakeRun(installer))
    assert toolchain.root == toolchain_root(tmp_path)
    assert visible(tmp_path) == [toolchain.root.name]
    assert (toolchain.root / MANIFEST).is_file()


def test_the_wheels_glibc_and_libpython_are_removed_and_the_rest_is_kept(tmp_path: Path) -> None:
    toolchain = install(tmp_path, FakeInstaller())
    kept = {path.name for path in (toolchain.package / "lib" / "third_party").iterdir()}
    assert kept == BUNDLED_LIBRARIES


def test_the_stand_in_for_graphviz_can_be_run(tmp_path: Path) -> None:
    dot = install(tmp_path, FakeInstaller()).root / "stand-ins" / "bin" / "dot"
    assert dot.read_text().startswith("#!/bin/sh\n")
    assert dot.stat().st_mode & 0o111


def test_a_second_call_installs_nothing(tmp_path: Path) -> None:
    installer = FakeInstaller()
    install(tmp_path, installer)
    progress = Recorder()
    install(tmp_path, installer, progress)
    assert installer.builds == 1
    assert progress.titles == []


def test_packages_are_installed_by_hash_without_dependencies_and_never_built(
    tmp_path: Path,
) -> None:
    run = FakeRun(FakeInstaller())
    ensure(tmp_path, Recorder(), host=HOST, environ=ENVIRON, run=run)
    (command,) = run.commands("install")
    assert {"--no-deps", "--require-hashes", "--only-binary"} <= set(command)
    assert command[command.index("--requirements") + 1].endswith("requirements.lock")


@pytest.mark.parametrize("step", ["venv", "install", START_CHECK])
def test_a_failure_at_any_step_leaves_nothing_behind_and_the_next_call_succeeds(
    tmp_path: Path, step: str
) -> None:
    with pytest.raises(ToolchainError):
        install(tmp_path, FakeInstaller({step: "error: dns error"}))
    assert visible(tmp_path) == []
    installer = FakeInstaller()
    install(tmp_path, installer)
    assert find(tmp_path, FakeRun(installer)) is not None


def test_a_compiler_that_does_not_start_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="GLIBC_2.36") as caught:
        install(tmp_path, FakeInstaller({START_CHECK: captured("glibc")}))
    assert "does not start here" in caught.value.message
    assert visible(tmp_path) == []


@pytest.mark.parametrize("damage", ["manifest", "other lock", "interpreter", "scripts", "garbage"])
def test_a_broken_environment_is_not_found_and_is_rebuilt(tmp_path: Path, damage: str) -> None:
    installer = FakeInstaller()
    toolchain = install(tmp_path, installer)
    manifest = toolchain.root / MANIFEST
    if damage == "manifest":
        manifest.unlink()
    elif damage == "other lock":
        manifest.write_text(manifest.read_text().replace('"lock": "', '"lock": "0'))
    elif damage == "garbage":
        manifest.write_bytes(b"\xff{")
    elif damage == "interpreter":
        toolchain.python.unlink()
    else:
        toolchain.script("model_transform").unlink()
    assert find(tmp_path, FakeRun(installer)) is None
    install(tmp_path, installer)
    assert installer.builds == 2
    assert visible(tmp_path) == [toolchain.root.name]
    assert find(tmp_path, FakeRun(installer)) is not None


def test_what_a_killed_process_left_is_cleaned_up(tmp_path: Path) -> None:
    root = toolchain_root(tmp_path)
    leftover = root.with_name(f".{root.name}-building-abc")
    (leftover / "env").mkdir(parents=True)
    install(tmp_path, FakeInstaller())
    assert visible(tmp_path) == [root.name]


def test_two_at_once_build_once_and_the_second_says_that_it_waits(tmp_path: Path) -> None:
    installer = FakeInstaller(seconds=0.5)
    listeners = [Recorder(), Recorder()]
    found: list[Toolchain] = []
    threads = [
        threading.Thread(target=lambda each=each: found.append(install(tmp_path, installer, each)))
        for each in listeners
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert installer.builds == 1
    assert len(found) == 2
    assert found[0] == found[1]
    titles = [title for each in listeners for title in each.titles]
    assert sum("Waiting for another recam" in title for title in titles) == 1


def test_a_machine_that_cannot_run_it_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    run = FakeRun(FakeInstaller())
    host = HostFacts("Darwin", "arm64", None)
    with pytest.raises(ToolchainError, match="macOS"):
        ensure(tmp_path, Recorder(), host=host, environ=ENVIRON, run=run)
    assert not run.calls
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a:b", "a;b", "a$b"])
def test_a_folder_that_the_loader_could_not_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ToolchainError, match="LD_LIBRARY_PATH"):
        install(tmp_path / name, FakeInstaller())
    assert not (tmp_path / name).exists()


def test_a_relative_cache_folder_is_refused_even_when_something_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "cache", FakeInstaller())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToolchainError) as caught:
        install(Path("cache"), FakeInstaller())
    assert "absolute" in caught.value.hint


def test_a_cache_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ToolchainError, match="cannot be created"):
        install(tmp_path / "file", FakeInstaller())


def test_status_tells_what_is_installed(tmp_path: Path) -> None:
    installer = FakeInstaller()
    before = status(tmp_path, host=HOST, run=FakeRun(installer))
    assert (before.installed, before.size, before.python, before.obstacle) == (
        False,
        0,
        None,
        None,
    )
    toolchain = install(tmp_path, installer)
    after = status(tmp_path, host=HOST, run=FakeRun(installer))
    assert (after.installed, after.path, after.version) == (True, toolchain.root, "1.7")
    assert after.size > 0
    assert after.python == "3.10.13"


def test_status_tells_why_a_machine_cannot_run_it(tmp_path: Path) -> None:
    host = HostFacts("Linux", "aarch64", (2, 36))
    found = status(tmp_path, host=host, run=FakeRun(FakeInstaller()))
    assert found.obstacle is not None
    assert "aarch64" in found.obstacle


def test_removing_frees_all_of_it(tmp_path: Path) -> None:
    installer = FakeInstaller()
    install(tmp_path, installer)
    old = tmp_path / "toolchain" / "tpu_mlir-1.6-000000000000"
    old.mkdir()
    (old / "file").write_bytes(bytes(1000))
    size = status(tmp_path, host=HOST, run=FakeRun(installer)).size
    assert remove(tmp_path) == size + 1000
    assert visible(tmp_path) == []
    assert find(tmp_path, FakeRun(installer)) is None
    assert remove(tmp_path) == 0


def test_removing_nothing_is_fine(tmp_path: Path) -> None:
    assert remove(tmp_path) == 0
    assert not list(tmp_path.iterdir())


def test_removing_while_another_installs_is_refused(tmp_path: Path) -> None:
    toolchain = install(tmp_path, FakeInstaller())
    with (
        FileLock(tmp_path / "toolchain" / ".lock"),
        pytest.raises(ToolchainError, match="installing"),
    ):
        remove(tmp_path)
    assert toolchain.root.is_dir()


def test_the_environments_lookup_is_public_through_the_package() -> None:
    import recam_deploy.toolchain as package

    assert package.ensure is environment.ensure
    assert package.find is environment.find
