"""The compiler in Docker: command lines, the image, files, cleaning up, and what can go wrong."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from planted import secret

from recam_deploy import process
from recam_deploy.errors import CompilationError, ProcessError, RecamError, ToolchainError
from recam_deploy.process import Completed
from recam_deploy.toolchain import docker_image
from recam_deploy.toolchain.docker import INSIDE, DockerToolchain, Engine, bring_in
from recam_deploy.toolchain.docker_image import (
    BASE_IMAGE,
    build_words,
    dockerfile,
    ensure_docker,
    image_files,
    image_tag,
)
from recam_deploy.toolchain.failures import explain
from recam_deploy.toolchain.layout import requirements_lock
from recam_deploy.toolchain.tools import ToolCommand, run_tool

from .docker_stand_in import StandIn, install
from .fakes import FakeRun, Recorder, cannot_start, captured, completed
from .test_tables import TABLE

SECRET = secret("the password of a proxy and an index")
COMPILER = DockerToolchain("recam-tpu_mlir:1.7-abc", Engine("1000:100"))


@pytest.fixture
def docker(tmp_path: Path) -> StandIn:
    return install(tmp_path / "docker")


def ensured(docker: StandIn, cache: Path, progress: Recorder | None = None) -> DockerToolchain:
    return ensure_docker(cache, progress or Recorder(), environ=docker.environ)


def values(words: Sequence[str], option: str) -> list[str]:
    return [value for word, value in pairwise(words) if word == option]


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


def test_the_image_holds_the_locked_packages_and_nothing_else() -> None:
    text = dockerfile()
    assert text.startswith("FROM sophgo/tpuc_dev:v3.1\n")
    for option in ("--require-hashes", "--no-deps", "--only-binary :all:"):
        assert option in text
    lock = requirements_lock()
    assert b"tpu-mlir==1.7" in lock
    assert image_files()["requirements.lock"] == lock


def test_the_image_has_the_environment_that_the_tools_have_here() -> None:
    lines = [line.removeprefix("ENV ") for line in dockerfile().splitlines() if "ENV " in line]
    found = {name: json.loads(value) for name, _, value in (line.partition("=") for line in lines)}
    assert found == INSIDE.environment({name: found[name] for name in ("HOME", "USER", "LOGNAME")})


def test_a_new_lock_or_a_new_dockerfile_is_a_new_image() -> None:
    files = image_files()
    changed = [{**files, name: files[name] + b"\n"} for name in files]
    assert len({image_tag(each) for each in (files, *changed)}) == len(files) + 1


def test_proxies_and_the_index_are_named_and_their_values_kept_off_the_command_line() -> None:
    environ = {"HTTPS_PROXY": f"http://ann:{SECRET}@proxy", "PIP_INDEX_URL": "https://index/simple"}
    words = build_words("tag", Path("/context"), environ)
    assert values(words, "--build-arg") == ["HTTPS_PROXY", "PIP_INDEX_URL"]
    assert SECRET not in " ".join(words)


def test_an_index_with_a_password_is_kept_out_of_the_images_history() -> None:
    environ = {"PIP_INDEX_URL": f"https://ann:{SECRET}@index/simple"}
    assert "--build-arg" not in build_words("tag", Path("/context"), environ)


def test_the_image_is_built_once(docker: StandIn, tmp_path: Path) -> None:
    progress = Recorder()
    first = ensured(docker, tmp_path / "cache", progress)
    assert docker.images == sorted([BASE_IMAGE, first.image])
    assert len(progress.titles) == 2
    assert (2.0, 2.0, None) in progress.updates
    assert ensured(docker, tmp_path / "cache", progress) == first
    assert (len(docker.called("pull")), len(docker.called("build"))) == (1, 1)
    assert len(progress.titles) == 2
    assert [path.name for path in (tmp_path / "cache" / "toolchain").iterdir()] == [".lock"]


def test_another_release_builds_its_own_image_from_the_same_base(
    docker: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = ensured(docker, tmp_path)
    lock = requirements_lock()
    monkeypatch.setattr(docker_image, "requirements_lock", lambda: lock + b"# newer\n")
    new = ensured(docker, tmp_path)
    assert old.image != new.image
    assert (len(docker.called("pull")), len(docker.called("build"))) == (1, 2)


def test_two_at_once_build_once(docker: StandIn, tmp_path: Path) -> None:
    found: list[DockerToolchain] = []
    threads = [
        threading.Thread(target=lambda: found.append(ensured(docker, tmp_path))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(docker.called("build")) == 1
    assert found[0] == found[1]


def test_a_builder_that_keeps_its_image_to_itself_is_found(docker: StandIn, tmp_path: Path) -> None:
    docker.set(keeps=False)
    with pytest.raises(ToolchainError, match="did not keep it") as caught:
        ensured(docker, tmp_path)
    assert "docker buildx use default" in caught.value.hint


def test_docker_that_is_not_installed(tmp_path: Path) -> None:
    run = FakeRun(cannot_start)
    with pytest.raises(ToolchainError, match="not installed") as caught:
        ensure_docker(tmp_path, Recorder(), environ={"PATH": str(tmp_path)}, run=run)
    assert "get-docker" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_docker_that_does_not_answer(docker: StandIn, tmp_path: Path) -> None:
    def respond(words: tuple[str, ...]) -> Completed:
        raise ProcessError("docker did not finish within 60 s")

    with pytest.raises(ToolchainError, match="did not finish") as caught:
        ensure_docker(tmp_path, Recorder(), environ=docker.environ, run=FakeRun(respond))
    assert "restart Docker" in caught.value.hint


DAEMON = "Cannot connect to the Docker daemon at unix:///x.sock. Is the docker daemon running?"
SOCKET = (
    "permission denied while trying to connect to the Docker daemon socket at unix:///x.sock: "
    'Get "http://x/v1.47/info": dial unix /x.sock: connect: permission denied'
)
NEWER_SOCKET = "permission denied while trying to connect to the docker API at unix:///x.sock"
DISK = "failed to register layer: write /usr/lib/x.so: no space left on device"
DIAL = 'Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: i/o timeout'
LIMIT = "toomanyrequests: You have reached your pull rate limit."
MISSING = "Error response from daemon: manifest for sophgo/tpuc_dev:v3.1 not found"
HASHES = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."
WHEEL = "ERROR: No matching distribution found for tpu-mlir==1.7"
EMULATION = "exec /bin/sh: exec format error"
UNKNOWN = "Error response from daemon: something new"


@pytest.mark.parametrize(
    ("command", "text", "cause", "remedy"),
    [
        ("info", DAEMON, "daemon is not running", "systemctl start docker"),
        ("info", SOCKET, "may not use Docker's socket", "usermod -aG docker"),
        ("info", NEWER_SOCKET, "may not use Docker's socket", "usermod -aG docker"),
        ("pull", DISK, "disk is full", "system prune"),
        ("pull", DIAL, "the network failed", "proxies"),
        ("pull", LIMIT, "refuses more downloads", "docker login"),
        ("pull", MISSING, "registry does not have it", "mirror"),
        ("build", HASHES, "not the one that was pinned", "index"),
        ("build", WHEEL, "the package index lacks tpu-mlir==1.7", "PIP_INDEX_URL"),
        ("build", EMULATION, "cannot run linux/amd64", "binfmt"),
        ("build", DISK, "disk is full", "system prune"),
        ("build", UNKNOWN, "exit code 1: .*something new", "report"),
    ],
)
def test_a_failure_names_its_cause_and_a_remedy_and_leaves_nothing(
    docker: StandIn, tmp_path: Path, command: str, text: str, cause: str, remedy: str
) -> None:
    docker.set(fail={command: text})
    cache = tmp_path / "cache"
    with pytest.raises(ToolchainError, match=cause) as caught:
        ensured(docker, cache)
    assert remedy in caught.value.hint
    assert [path.name for path in cache.rglob("*") if path.name not in ("toolchain", ".lock")] == []
    assert set(docker.images) <= {BASE_IMAGE}


def test_a_program_sees_the_work_folder_and_the_images_environment(
    docker: StandIn, tmp_path: Path
) -> None:
    compiler = ensured(docker, tmp_path)
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


def test_a_file_that_is_not_named_is_out_of_reach(docker: StandIn, tmp_path: Path) -> None:
    compiler = ensured(docker, tmp_path)
    (tmp_path / "work").mkdir()
    other = tmp_path / "other.txt"
    other.write_text("read me")
    words = (compiler.python, "-c", "import sys; print(open(sys.argv[1]).read())", other)
    for reads, code in (([], 125), ([other], 0)):
        with compiler.calling(words, tmp_path / "work", docker.environ, reads) as call:
            done = process.run(call.words, env=call.environment)
        assert done.returncode == code, done.output
    assert done.stdout == "read me\n"


def test_links_to_pictures_elsewhere_become_copies(docker: StandIn, tmp_path: Path) -> None:
    compiler = ensured(docker, tmp_path)
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
    bring_in(tmp_path)
    assert (tmp_path / "b").is_symlink()


def test_a_container_is_gone_when_its_program_has_ended(docker: StandIn, tmp_path: Path) -> None:
    done = python(ensured(docker, tmp_path), docker, tmp_path, "raise SystemExit(3)")
    assert done.returncode == 3
    assert docker.containers == []


def test_a_timeout_ends_the_container_and_not_only_its_client(
    docker: StandIn, tmp_path: Path
) -> None:
    compiler = ensured(docker, tmp_path / "cache")
    folder = tmp_path / "work"
    folder.mkdir()
    code = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(300)"
    with pytest.raises(ProcessError, match="did not finish"):
        python(compiler, docker, folder, code, timeout=4.0)
    assert docker.containers == []
    assert not _is_running(int((folder / "pid").read_text()))


def test_an_interrupt_removes_the_container_under_its_own_name(
    docker: StandIn, tmp_path: Path
) -> None:
    compiler = ensured(docker, tmp_path)
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


def test_a_tool_runs_in_a_container_and_leaves_its_outputs(docker: StandIn, tmp_path: Path) -> None:
    compiler = ensured(docker, tmp_path / "cache")
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


def test_progress_follows_every_kind_of_build() -> None:
    recorder = Recorder()
    with recorder.step("build") as step:
        follow = docker_image.DockerProgress(step)
        for line in ("Step 3/9 : RUN x", "#7 [3/5] RUN x", "#8 [stage-1 4/5] RUN y", "#8 DONE 1s"):
            follow.line(line)
    assert recorder.updates == [(2.0, 9.0, None), (2.0, 5.0, None), (3.0, 5.0, None)]
