"""Cameras to make faults on: the virtual one, and real OpenSSH, each behind a proxy."""

from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fault_camera import SECRET, FaultCamera, StartVirtual
from fault_proxy import Faults, Proxy
from fault_shims import Shims
from planted import keep, lawful
from sshd_parts import SYSTEM_PATH, make_key, start_plain
from virtual_cameras import hollow_libraries, start


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hollow_libraries(tmp_path_factory.mktemp("libraries"))


def _known_hosts(path: Path, port: int, kind: str, blob: str) -> None:
    path.write_text(f"[127.0.0.1]:{port} {kind} {blob}\n")


@pytest.fixture(scope="session")
def start_virtual(
    libraries: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartVirtual]:
    """Start a virtual camera with options of its own."""
    running: list[FaultCamera] = []

    def begin(*options: str) -> FaultCamera:
        folder = tmp_path_factory.mktemp("camera")
        keep(folder / "password-file", f"{SECRET}\n")
        lawful(folder / "it" / "password")
        camera = start(
            folder / "it",
            str(libraries),
            *("--password-file", str(folder / "password-file")),
            *options,
        )
        proxy = Proxy(camera.state["ssh_port"])
        kind, blob = Path(camera.state["known_hosts"]).read_text().split()[1:3]
        _known_hosts(folder / "known_hosts", proxy.port, kind, blob)
        found = FaultCamera(
            kind="virtual",
            userdata=camera.root / "userdata",
            runner=camera.runner,
            shims=Shims(camera.root / "usr/bin", folder / "shims"),
            proxy=proxy,
            environment={
                "RECAM_SETTINGS": camera.state["settings"],
                "RECAM_PORT": str(proxy.port),
                "RECAM_KNOWN_HOSTS": str(folder / "known_hosts"),
                "RECAM_PASSWORD": SECRET,
                "RECAM_CACHE_DIR": str(folder / "cache"),
            },
            log=Path(camera.state["log"]),
            process=camera.process,
            folder=folder,
        )
        running.append(found)
        return found

    yield begin
    for camera in running:
        camera.proxy.close()
        camera.process.terminate()
        camera.process.wait(20)


@pytest.fixture(scope="session")
def _virtual(start_virtual: StartVirtual) -> FaultCamera:
    return start_virtual()


@pytest.fixture(scope="session")
def _openssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultCamera]:
    folder = tmp_path_factory.mktemp("openssh")
    server = folder / "server"
    server.mkdir()
    key = make_key(folder / "client_key")
    process, port = start_plain(server, key, f"{server}/shims:{SYSTEM_PATH}")
    proxy = Proxy(port)
    kind, blob = (server / "host_key.pub").read_text().split()[:2]
    _known_hosts(folder / "known_hosts", proxy.port, kind, blob)
    (server / "userdata").mkdir()
    yield FaultCamera(
        kind="openssh",
        userdata=server / "userdata",
        runner=server / "sscma-model",
        shims=Shims(server / "shims", folder / "shims"),
        proxy=proxy,
        environment={
            "RECAM_HOST": "127.0.0.1",
            "RECAM_PORT": str(proxy.port),
            "RECAM_USER": getpass.getuser(),
            "RECAM_KEY": str(key),
            "RECAM_MODELS": str(server / "userdata/Models"),
            "RECAM_WORK": str(server / "userdata/recam"),
            "RECAM_RUNNER": str(server / "sscma-model"),
            "RECAM_SYSTEM": str(server),
            "RECAM_KNOWN_HOSTS": str(folder / "known_hosts"),
            "RECAM_CACHE_DIR": str(folder / "cache"),
        },
        log=server / "log",
        process=process,
        folder=folder,
    )
    proxy.close()
    process.kill()
    process.wait()


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No keys, agent or settings of whoever runs the tests; and a folder to be in."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home/config"))
    for name in [name for name in os.environ if name.startswith(("RECAM_", "SSH_AUTH_"))]:
        if name != "RECAM_FAULT_TABLE":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def _fresh(camera: FaultCamera) -> FaultCamera:
    assert camera.process.poll() is None
    camera.proxy.faults = Faults
    camera.reset()
    return camera


@pytest.fixture
def virtual(_virtual: FaultCamera) -> FaultCamera:
    """The virtual camera: passwords, and sudo."""
    return _fresh(_virtual)


@pytest.fixture(params=["virtual", "openssh"])
def camera(request: pytest.FixtureRequest) -> FaultCamera:
    """Either of the two: what ends a session's programs with it, and what does not."""
    return _fresh(request.getfixturevalue(f"_{request.param}"))


@pytest.fixture
def mount() -> Iterator[Callable[..., None]]:
    """Mount a small file system of its own on a folder; the test is skipped where one may not."""
    mounted: list[Path] = []

    def at(folder: Path, options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
        if os.getuid() != 0 or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("mounting a file system takes root")
        mounted.append(folder)

    yield at
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=False)
