"""A real OpenSSH server on loopback, in two forms.

`Plain` runs as whoever runs the tests, with keys only and folders of its own. `Camera` needs root:
a private mount and process namespace with a root folder of its own, where the user `recamera`,
its password, sudo and the camera's absolute paths are what they are on a reCamera.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest
from cvimodels import cvimodel_bytes, yolo11_tensors
from PIL import Image
from sshd_parts import (
    CONFIG,
    SYSTEM_PATH,
    USERS_PASSWORD,
    find_sshd,
    free_port,
    known_hosts,
    make_key,
    shadowed,
    start_plain,
    wait_until_up,
)

from recam_deploy.artifact import Artifact, sha256_of
from recam_deploy.camera.paths import CameraPaths
from recam_deploy.settings import CameraSettings

RUNNER = """#!/bin/sh
# Plays sscma-model: says what a run says, and copies a picture.
fail() { echo "$2" >&2; exit "$1"; }
[ "$(id -u)" = 0 ] || fail 134 "Assertion failed: (cvi_device_mem.cpp: device_init: 1)"
[ -n "$LD_LIBRARY_PATH" ] || fail 127 "Error loading shared library libcviruntime.so: not found"
echo "[INFO] engine load model $1"
echo "x: 0.500000, y: 0.500000, w: 0.500000, h: 0.250000, score: 0.932000, target: 1"
echo "[INFO] pre: 5ms, infer: 61ms, post: 3ms" >&2
cp "$2" "$3"
"""


@dataclass
class Server:
    """A running sshd, and how to reach it. `root` is what the server sees as `/`."""

    process: subprocess.Popen[bytes]
    port: int
    user: str
    folder: Path
    root: Path
    log: Path
    settings: CameraSettings
    paths: CameraPaths

    def inside(self, path: PurePosixPath) -> Path:
        """Where a file of the server's lies here."""
        return self.root / path.relative_to("/") if self.root != Path("/") else Path(path)

    def log_text(self, expected: str = "") -> str:
        """The server's log; it writes a line when it comes to it, so `expected` is waited for."""
        deadline = time.monotonic() + 10
        while expected not in (text := self.log.read_text(errors="replace")):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        return text

    def settings_with(self, **changed: object) -> CameraSettings:
        return CameraSettings(**(dict(self.settings) | changed))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and no SSH agent: what the user of the tests has must not matter."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture
def plain(tmp_path: Path, home: Path) -> Iterator[Server]:
    """sshd as the current user; the client has the right key, and knows the host key."""
    folder = tmp_path / "server"
    folder.mkdir()
    key = make_key(tmp_path / "client_key")
    process, port = start_plain(folder, key, SYSTEM_PATH)
    try:
        settings = CameraSettings(
            host="127.0.0.1",
            port=port,
            user=getpass.getuser(),
            key=key,
            models=PurePosixPath(folder / "Models"),
            work=PurePosixPath(folder / "work"),
            runner=PurePosixPath(folder / "sscma-model"),
            known_hosts=known_hosts(tmp_path, port, folder / "host_key"),
        )
        yield Server(
            process,
            port,
            getpass.getuser(),
            folder,
            Path("/"),
            folder / "log",
            settings,
            CameraPaths.from_settings(settings),
        )
    finally:
        process.kill()
        process.wait()


_NAMESPACE = """
set -eu
root=$1 sshd=$2 port=$3
for folder in usr bin sbin lib lib64 dev; do
    if [ -L /$folder ]; then cp -P /$folder $root/$folder
    elif [ -d /$folder ]; then mkdir -p $root/$folder; mount --rbind /$folder $root/$folder; fi
done
mount -t proc proc $root/proc
exec chroot $root $sshd -D -e -f /etc/ssh/sshd_config -p $port
"""


def _build_root(root: Path, options: str, sudoers: str) -> None:
    for name in ("etc/ssh", "etc/pam.d", "proc", "tmp", "root", "run/sshd", "run/sudo", "var/lib"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    for name in ("ld.so.cache", "nsswitch.conf", "login.defs", "alternatives", "security"):
        source = Path("/etc") / name
        if source.is_dir():
            shutil.copytree(source, root / "etc" / name, symlinks=True)
        elif source.exists():
            shutil.copy(source, root / "etc" / name)
    files = {
        "etc/passwd": "root:x:0:0::/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/bin/false\n"
        "recamera:x:1000:1000::/home/recamera:/bin/sh\n",
        "etc/group": "root:x:0:\nnogroup:x:65534:\nrecamera:x:1000:\n",
        "etc/shadow": "root:*:1:0:99999:7:::\n"
        f"recamera:{shadowed(USERS_PASSWORD)}:19000:0:99999:7:::\n",
        "etc/hosts": "127.0.0.1 localhost\n",
        "etc/sudoers": 'Defaults env_keep += "PATH LD_LIBRARY_PATH"\nDefaults !use_pty\n'
        f"{sudoers}\n",
        "etc/ssh/authorized": "",
        "etc/ssh/sshd_config": CONFIG.format(
            host_key="/etc/ssh/host_key", authorized="/etc/ssh/authorized"
        )
        + options,
    }
    for name in ("sudo", "sshd", "other"):
        files[f"etc/pam.d/{name}"] = (
            "auth required pam_unix.so nodelay\n"
            "account required pam_permit.so\nsession required pam_permit.so\n"
        )
    for name, text in files.items():
        (root / name).write_text(text)
    (root / "etc/sudoers").chmod(0o440)
    (root / "etc/shadow").chmod(0o600)
    make_key(root / "etc/ssh/host_key")
    for name in ("userdata/Models", "home/recamera"):
        (root / name).mkdir(parents=True)
    for name in ("userdata", "userdata/Models", "home/recamera"):
        os.chown(root / name, 1000, 1000)


StartCamera = Callable[..., Server]

_PASSWORD_OPTIONS = """UsePAM no
PasswordAuthentication yes
KbdInteractiveAuthentication no
"""


@pytest.fixture
def start_camera(tmp_path: Path, home: Path) -> Iterator[StartCamera]:
    """Start a server that looks like a camera; `options` are sshd's, `sudoers` a line of those."""
    sshd = find_sshd()
    if os.getuid() != 0:
        pytest.skip("a private root with the camera's paths takes root")
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-m", "-p", "-f", "true"]).returncode:
        pytest.skip("no private mount namespace can be made here")
    if not shutil.which("sudo"):
        pytest.skip("sudo is not installed")
    running: list[subprocess.Popen[bytes]] = []

    def start(
        options: str = _PASSWORD_OPTIONS,
        sudoers: str = "recamera ALL=(ALL:ALL) ALL",
        rsa_host_key: bool = False,
    ) -> Server:
        root = tmp_path / f"root-{len(running)}"
        _build_root(root, options, sudoers)
        if rsa_host_key:
            make_key(root / "etc/ssh/rsa_key", "rsa")
        port, log = free_port(), tmp_path / f"log-{len(running)}"
        script = ["sh", "-c", _NAMESPACE, "sh", str(root), sshd, str(port)]
        with log.open("wb") as out:
            process = subprocess.Popen(
                [unshare, "--mount", "--pid", "--fork", "--kill-child", *script],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        running.append(process)
        wait_until_up(process, port, log)
        settings = CameraSettings(
            host="127.0.0.1",
            port=port,
            known_hosts=known_hosts(tmp_path, port, root / "etc/ssh/host_key"),
        )
        paths = CameraPaths.from_settings(settings)
        return Server(process, port, "recamera", tmp_path, root, log, settings, paths)

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def camera(start_camera: StartCamera) -> Server:
    """A camera in its factory state: a password, sudo that asks for it, default paths."""
    return start_camera()


@pytest.fixture
def client_key(tmp_path: Path) -> Callable[[Server], Path]:
    """Make a key and have a camera accept it."""

    def accept(server: Server) -> Path:
        key = make_key(tmp_path / "own_key")
        shutil.copy(f"{key}.pub", server.root / "etc/ssh/authorized")
        return key

    return accept


@pytest.fixture
def make_artifact(tmp_path: Path) -> Callable[[bytes], Artifact]:
    """An artifact with the given bytes as its cvimodel: 64 x 64 input, two classes."""

    def make(data: bytes = cvimodel_bytes(*yolo11_tensors())) -> Artifact:
        path = tmp_path / "shapes.cvimodel"
        path.write_bytes(data)
        return Artifact(
            cvimodel=path,
            manifest=None,
            name="shapes",
            sha256=sha256_of(path),
            size=len(data),
            chip="cv181x",
            labels=("circle", "square"),
            input_size=(64, 64),
        )

    return make


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A wide JPEG: 128 x 64."""
    path = tmp_path / "in.jpg"
    Image.new("RGB", (128, 64), "navy").save(path)
    return path


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    path = tmp_path / "runner"
    path.write_text(RUNNER)
    return path
