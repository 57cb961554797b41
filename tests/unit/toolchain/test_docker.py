"""The compiler in Docker: command lines, files, cleaning up, and what can go wrong there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from recam_deploy import process
from recam_deploy.errors import CompilationError, ProcessError, RecamError, ToolchainError
from recam_deploy.process import Completed
from recam_deploy.toolchain.docker import DockerToolchain, Engine, copy_linked_files
from recam_deploy.toolchain.failures import explain
from recam_deploy.toolchain.tools import ToolCommand, run_tool

from .docker_parts import DAEMON, SOCKET, ensured, values
from .docker_stand_in import StandIn, install
from .fakes import Recorder, captured, completed
from .test_tables import TABLE

COMPILER = DockerToolchain("recam-tpu_mlir:1.7-abc", Engine("1000:100"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[StandIn, DockerToolchain]:
    """A Docker that has the compiler's image."""
    folder = tmp_path_factory.mktemp("built")
    docker = install(folder / "docker")
    return docker, ensured(docker, folder / "cache")


@pytest.fixture
def docker(built: tuple[StandIn, DockerToolchain], tmp_path: Path) -> StandIn:
    """That Docker, as a copy of the test's own."""
    return StandIn(shutil.copytree(built[0].home, tmp_path / "docker"))


@pytest.fixture
def compiler(built: tuple[StandIn, DockerToolchain]) -> DockerToolchain:
    return built[1]


def python(
    compiler: DockerToolchain,
    docker: StandIn,
    folder: Path,
    code: str,
    *,
    reads: Sequence[Path] = (),
    timeout: float = 60.0,
) -> Completed:
    """Run `code` in a container, in `folder`."""
    words = (compiler.python, "-c", code)
    with compiler.calling(words, folder, docker.environ, reads) as call:
        return process.run(call.words, cwd=folder, env=call.environment, timeout=timeout)


def test_the_command_line_of_a_container() -> None:
    words = COMPILER.words(["tool", "--x", "1"], Path("/work dir/step"), name="recam-7")
    assert words == (
        *("docker", "run", "--rm", "--init", "--name", "recam-7", "--pull", "never"),
        *("--platform", "linux/amd64", "--network", "none", "--user", "1000:100"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--mount", "type=bind,source=/work dir/step,target=/work dir/step"),
        *("--workdir", "/work dir/step"),
        *("recam-tpu_mlir:1.7-abc", "tool", "--x", "1"),
    )


def test_files_to_read_are_mounted_one_by_one_where_they_are_here() -> None:
    files = [Path("/data/m.cvimodel"), Path("/data/m.cvimodel"), Path("/work/in.bin")]
    words = COMPILER.words(["tool"], Path("/work"), name="n", reads=files)
    assert values(words, "--mount") == [
        "type=bind,source=/work,target=/work",
        "type=bind,source=/data/m.cvimodel,target=/data/m.cvimodel,readonly",
    ]


def test_a_path_with_a_comma_and_quotes_is_one_field_of_the_mount() -> None:
    words = COMPILER.words(["tool"], Path('/a,b "c"'), name="n")
    assert values(words, "--mount") == ['type=bind,"source=/a,b ""c""","target=/a,b ""c"""']


def test_only_the_settings_for_threads_are_handed_on_and_by_name_alone() -> None:
    environ = {"OMP_NUM_THREADS": "2", "LD_PRELOAD": "x.so", "HOME": "/home/ann"}
    words = COMPILER.words(["tool"], Path("/w"), name="n", environ=environ)
    assert values(words, "--env") == ["OMP_NUM_THREADS"]


@pytest.mark.parametrize(
    ("security", "user", "options"),
    [
        (["name=apparmor", "name=seccomp,profile=builtin"], "1000:100", ()),
        (["name=seccomp,profile=builtin", "name=rootless"], "0:0", ()),
        (["name=userns"], "1000:100", ("--userns", "host")),
        (["name=selinux"], "1000:100", ("--security-opt", "label=disable")),
    ],
)
def test_files_belong_to_the_user_whatever_the_engine_does_with_ids(
    security: list[str], user: str, options: tuple[str, ...]
) -> None:
    assert Engine.with_security(security, 1000, 100) == Engine(user, options)


def test_a_tool_is_run_by_the_interpreter_inside_the_image() -> None:
    words = ToolCommand("model_deploy", ("--help",), ()).words(COMPILER)
    assert words[0] == "/opt/recam-toolchain/env/bin/python3"
    assert words[1].startswith("/opt/recam-toolchain/env/lib/python3.10/site-packages/tpu_mlir/")


def test_a_program_sees_the_work_folder_and_the_images_environment(
    docker: StandIn, compiler: DockerToolchain, tmp_path: Path
) -> None:
    folder = tmp_path / 'Ann\'s, "work"'
    folder.mkdir()
    code = "import os; open('made', 'w').write(os.getcwd()); print(sorted(os.environ))"
    done = python(compiler, docker, folder, code)
    assert done.returncode == 0, done.output
    assert (folder / "made").read_text() == str(folder)
    assert "TPUC_ROOT" in done.stdout
    assert "STAND_IN_DOCKER" not in done.stdout
    (words,) = docker.called("run")
    assert values(words, "--user") == [f"{os.getuid()}:{os.getgid()}"]


def test_a_file_that_is_not_named_is_out_of_reach(
    docker: StandIn, compiler: DockerToolchain, tmp_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    other = tmp_path / "other.txt"
    other.write_text("read me")
    words = (compiler.python, "-c", "import sys; print(open(sys.argv[1]).read())", other)
    for reads, code in (([], 125), ([other], 0)):
        with compiler.calling(words, tmp_path / "work", docker.environ, reads) as call:
            done = process.run(call.words, env=call.environment)
        assert done.returncode == code, done.output
    assert done.stdout == "read me\n"


def test_links_to_pictures_elsewhere_become_copies(
    docker: StandIn, compiler: DockerToolchain, tmp_path: Path
) -> None:
    pictures, folder = tmp_path / "pictures", tmp_path / "work"
    pictures.mkdir()
    folder.mkdir()
    (pictures / "a.jpg").write_bytes(b"picture")
    (pictures / "b.jpg").symlink_to("a.jpg")
    (folder / "picture-00000.jpg").symlink_to(pictures / "b.jpg")
    done = python(compiler, docker, folder, "print(open('picture-00000.jpg').read())")
    assert done.stdout == "picture\n", done.output
    assert not (folder / "picture-00000.jpg").is_symlink()
    assert (pictures / "a.jpg").read_bytes() == b"picture"


def test_links_within_the_work_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").symlink_to("a")
    copy_linked_files(tmp_path)
    assert (tmp_path / "b").is_symlink()


def test_a_container_is_gone_when_its_program_has_ended(
    docker: StandIn, compiler: DockerToolchain, tmp_path: Path
) -> None:
    done = python(compiler, docker, tmp_path, "raise SystemExit(3)")
    assert done.returncode == 3
    assert docker.containers == []


def test_a_timeout_ends_the_container_and_not_only_its_client(
    docker: StandIn, compiler: DockerToolchain, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    code = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(300)"
    for timeout in (0.5, 2.0, 8.0):  # until the container has begun by then
        with pytest.raises(ProcessError, match="did not finish"):
            python(compiler, docker, folder, code, timeout=timeout)
        assert docker.containers == []
        if (folder / "pid").exists() and (folder / "pid").read_text():
            break
    assert not _is_running(int((folder / "pid").read_text()))


def test_an_interrupt_removes_the_container_under_its_own_name(
    docker: StandIn, compiler: DockerToolchain, tmp_path: Path
) -> None:
    names = []
    for _ in range(2):
        with (
            pytest.raises(KeyboardInterrupt),
            compiler.calling(["tool"], tmp_path, docker.environ) as call,
        ):
            names += values(call.words, "--name")
            raise KeyboardInterrupt
    assert [call[-1] for call in docker.called("rm")] == names
    assert names[0] != names[1]


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_tool_runs_in_a_container_and_leaves_its_outputs(
    docker: StandIn, compiler: DockerToolchain, tmp_path: Path
) -> None:
    command = ToolCommand("run_calibration", ("m.mlir", "-o", "table"), (Path("table"),))

    def run(words: tuple[str, ...], **options: object) -> Completed:
        assert words[:2] == ("docker", "run")
        assert words[words.index(compiler.image) + 1 :] == command.words(compiler)
        (tmp_path / "table").write_text(TABLE)
        return completed()

    result = run_tool(
        compiler,
        command,
        tmp_path,
        tmp_path / "log",
        Recorder(),
        environ=docker.environ,
        run=run,
    )
    assert result.command == command
    assert (tmp_path / "log").read_text() == f"$ {command.display()}\n"


MOUNT = (
    'docker: Error response from daemon: invalid mount config for type "bind": bind source path '
    "does not exist: /w"
)
DENIED = "docker: Error response from daemon: Mounts denied: \nThe path /w is not shared"
FULL = "docker: Error response from daemon: mkdir /var/lib/docker/x: no space left on device."


@pytest.mark.parametrize(
    ("text", "code", "error", "cause"),
    [
        (f"docker: {DAEMON}", 125, ToolchainError, "daemon is not running"),
        (f"docker: {SOCKET}", 126, ToolchainError, "socket"),
        ("docker: Error response from daemon: No such image: x", 125, ToolchainError, "removed"),
        (MOUNT, 125, ToolchainError, "cannot reach the folder"),
        (DENIED, 125, ToolchainError, "cannot reach the folder"),
        (FULL, 125, ToolchainError, "Docker's disk is full"),
        ("exec /sbin/docker-init: exec format error", 255, ToolchainError, "linux/amd64"),
        (captured("no_pictures"), 1, CompilationError, "no pictures"),
        (captured("glibc"), 1, ToolchainError, "GLIBC"),
        ("", 137, CompilationError, "the system killed it"),
    ],
)
def test_what_fails_in_or_before_a_container_is_explained(
    tmp_path: Path, text: str, code: int, error: type[RecamError], cause: str
) -> None:
    found = explain("run_calibration", code, text, tmp_path / "log")
    assert type(found) is error
    assert cause in found.message
