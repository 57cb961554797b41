"""The compiler's image in Docker: what is in it, when it is built, and what can go wrong."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from planted import secret

from recam_deploy.errors import ProcessError, ToolchainError
from recam_deploy.process import Completed
from recam_deploy.toolchain import docker_image
from recam_deploy.toolchain.docker import INSIDE, DockerToolchain
from recam_deploy.toolchain.docker_image import (
    BASE_IMAGE,
    build_words,
    dockerfile,
    ensure_docker,
    image_files,
    image_tag,
)
from recam_deploy.toolchain.local import requirements_lock

from .docker_parts import DAEMON, SOCKET, ensured, values
from .docker_stand_in import StandIn, install
from .fakes import FakeRun, Recorder, cannot_start

SECRET = secret("the password of a proxy and an index")


@pytest.fixture
def docker(tmp_path: Path) -> StandIn:
    return install(tmp_path / "docker")


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
        ("pull", MISSING, "registry does not have the image", "mirror"),
        ("build", HASHES, "hash of a downloaded package is wrong", "index"),
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


def test_progress_follows_every_kind_of_build() -> None:
    recorder = Recorder()
    with recorder.step("build") as step:
        follow = docker_image.DockerProgress(step)
        for line in ("Step 3/9 : RUN x", "#7 [3/5] RUN x", "#8 [stage-1 4/5] RUN y", "#8 DONE 1s"):
            follow.line(line)
    assert recorder.updates == [(2.0, 9.0, None), (2.0, 5.0, None), (3.0, 5.0, None)]
