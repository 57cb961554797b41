"""A virtual camera on a real socket, with no TPU simulator behind it unless one is named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko
import pytest
from planted import CAMERA_PASSWORD, camera_folder, lawful

from recam_deploy.settings import load_settings
from recam_deploy.toolchain import find

from .model_node import Service, running

REPOSITORY = Path(__file__).resolve().parents[2]
DEVICE = REPOSITORY / "device"

if str(DEVICE) not in sys.path:
    sys.path.insert(0, str(DEVICE))

START_SECONDS = 30.0


@dataclass
class Reply:
    """The end of a remote command."""

    code: int
    out: str
    err: str


@dataclass
class Camera:
    """A running server and what it published."""

    folder: Path
    process: subprocess.Popen[bytes]
    state: dict[str, Any]

    @property
    def root(self) -> Path:
        return Path(self.state["root"])

    @property
    def runner(self) -> Path:
        return self.root / "home" / "recamera" / "sscma-model"

    @property
    def library_path(self) -> str:
        return f"{self.root}/lib:{self.root}/mnt/system/lib"

    def log(self) -> str:
        return Path(self.state["log"]).read_text(encoding="utf-8")

    def connect(self, **changes: Any) -> paramiko.SSHClient:
        """A client that trusts exactly the key in the camera's known-hosts file."""
        client = paramiko.SSHClient()
        client.load_host_keys(self.state["known_hosts"])
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        options: dict[str, Any] = {
            "hostname": self.state["host"],
            "port": self.state["ssh_port"],
            "username": "recamera",
            "password": CAMERA_PASSWORD,
            "look_for_keys": False,
            "allow_agent": False,
            "timeout": 20,
        }
        client.connect(**(options | changes))
        return client

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20)


def run(client: paramiko.SSHClient, command: str, data: bytes = b"", timeout: float = 60) -> Reply:
    """Run a command to its end with ``data`` as its standard input."""
    stdin, stdout, stderr = client.exec_command(command, timeout=timeout)
    if data:
        stdin.write(data)
    stdin.channel.shutdown_write()
    out, err = stdout.read(), stderr.read()
    code = stdout.channel.recv_exit_status()
    return Reply(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


@pytest.fixture(scope="session")
def execute() -> Callable[..., Reply]:
    return run


def _some_library() -> Path:
    """A shared library that this interpreter has loaded: it stands for the simulator."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        name = line.split(maxsplit=5)[-1]
        if ".so" in Path(name).name and Path(name).name.startswith("libc"):
            return Path(name)
    pytest.skip("no shared C library found in /proc/self/maps to stand for the simulator's")


@pytest.fixture(scope="session")
def hollow_libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files with the simulator's names that load and have none of its functions."""
    folder = tmp_path_factory.mktemp("libraries")
    for name in ("libcviruntime.so", "libcvikernel.so", "libcvicmodel.so"):
        (folder / name).symlink_to(_some_library())
    return folder


def start(folder: Path, libraries: str, *options: str) -> Camera:
    """Start a server and wait for the file by which it says that it is ready."""
    if "--password-file" in options:
        lawful(folder / "password")
    else:
        camera_folder(folder)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "virtual", "serve", "--dir", str(folder)),
            *("--tpu-libraries", libraries, *options),
        ],
        env={**os.environ, "PYTHONPATH": str(DEVICE)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + START_SECONDS
    while (state := _state_of(folder, process.pid)) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            message = process.stderr.read().decode() if process.stderr else ""
            raise RuntimeError(f"the virtual camera did not start: {message}")
        time.sleep(0.05)
    return Camera(folder, process, state)


def _state_of(folder: Path, pid: int) -> dict[str, Any] | None:
    """What the server with this number published; an older server's is stale."""
    try:
        state: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return state if state["pid"] == pid else None


@pytest.fixture
def serve(hollow_libraries: Path) -> Iterator[Callable[..., Camera]]:
    """Start cameras; every one is stopped at the end."""
    cameras: list[Camera] = []

    def begin(folder: Path, *options: str, libraries: Path = hollow_libraries) -> Camera:
        camera = start(folder, str(libraries), *options)
        cameras.append(camera)
        return camera

    yield begin
    for camera in cameras:
        camera.stop()


@pytest.fixture(scope="module")
def camera(hollow_libraries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Camera]:
    """One camera for a file's tests, in a folder whose name has a space."""
    running = start(tmp_path_factory.mktemp("virtual camera"), str(hollow_libraries))
    yield running
    running.stop()


@pytest.fixture
def client(camera: Camera) -> Iterator[paramiko.SSHClient]:
    connection = camera.connect()
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def simulator() -> str:
    """The folders of the real TPU simulator, joined by colons."""
    toolchain = find(load_settings().cache_dir)
    if toolchain is None:
        pytest.skip("the compiler is not installed; run `recam toolchain install` first")
    return os.pathsep.join(str(folder) for folder in toolchain.simulator_libraries)


@pytest.fixture(scope="session")
def riscv_program() -> bytes:
    """The header of a RISC-V ELF file: 64 bit, little endian, executable."""
    header = bytearray(64)
    header[:8] = b"\x7fELF\x02\x01\x01\x00"
    header[16:20] = (2).to_bytes(2, "little") + (243).to_bytes(2, "little")
    return bytes(header)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """The nodes alone, with no broker and no simulator."""
    with running(tmp_path) as nodes:
        yield nodes
