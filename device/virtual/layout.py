"""Name everything in the virtual camera's folder ``D``, and make it.

``D/root`` is what clients see of the camera's file system; beside it lie the server's
own files. Paths inside ``D/root`` are real paths of the host.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .releases import Release
from .standins import scripts

USER = "recamera"
FACTORY_PASSWORD = "recamera"  # noqa: S105 - public: every new camera has it
HOST = "127.0.0.1"
PRESET = "yolo11n_detection_cv181x_int8.cvimodel"
"""The preset that the flows of a new camera name; here it is the model of the virtual one."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# /etc/profile of the camera sets this for login shells; commands do without.
LIBRARY_FOLDERS = (
    "lib",
    "usr/lib",
    "usr/lib64",
    "mnt/system/lib",
    "mnt/system/usr/lib",
    "mnt/system/usr/lib/3rd",
)

SIMULATOR = ("libcviruntime.so", "libcvikernel.so", "libcvicmodel.so")
# Linked only when the host has none of its own.
FALLBACKS = ("libstdc++.so.6", "libgcc_s.so.1")

OS_RELEASE = """\
NAME="reCamera (virtual)"
ID=recamera-virtual
PRETTY_NAME="virtual reCamera, playing firmware {name}"
VERSION_ID={version}
"""

ISSUE = "reCamera V{version}\n"


class SetupError(Exception):
    """The virtual camera cannot be set up; the message says why."""


@dataclass(frozen=True)
class Layout:
    """Paths of one virtual camera; ``base`` is absolute and free of links."""

    base: Path

    @classmethod
    def at(cls, folder: Path) -> Layout:
        base = folder.resolve()
        if ":" in str(base) or "\n" in str(base):
            # It becomes part of PATH and LD_LIBRARY_PATH.
            raise SetupError(f"{base}: the folder's path must not contain ':' or a line break")
        return cls(base)

    @property
    def root(self) -> Path:
        return self.base / "root"

    @property
    def home(self) -> Path:
        return self.root / "home" / USER

    @property
    def models(self) -> Path:
        return self.root / "userdata" / "Models"

    @property
    def work(self) -> Path:
        return self.root / "userdata" / "recam"

    @property
    def runner(self) -> Path:
        return self.home / "sscma-model"

    @property
    def authorized_keys(self) -> Path:
        return self.home / ".ssh" / "authorized_keys"

    @property
    def first_login(self) -> Path:
        """Name the file that is there until somebody logs in to the web page for the first time."""
        return self.root / "etc" / ".first_login"

    @property
    def host_key(self) -> Path:
        return self.base / "ssh_host_ed25519_key"

    @property
    def known_hosts(self) -> Path:
        return self.base / "known_hosts"

    @property
    def flow_backups(self) -> Path:
        """Name the folder where clients keep the flows they replace; it ends with this camera."""
        return self.base / "flow-backups"

    @property
    def settings(self) -> Path:
        return self.base / "recam.toml"

    @property
    def state(self) -> Path:
        return self.base / "state.json"

    @property
    def password(self) -> Path:
        return self.base / "password"

    @property
    def presets(self) -> Path:
        return self.root / "usr" / "share" / "supervisor" / "models"

    @property
    def release(self) -> Path:
        """Name the file with the firmware that is played, for ``sscma-model``."""
        return self.base / "release"

    @property
    def emulated(self) -> Path:
        """Name the file with the folder of emulated networks, for ``sscma-model``."""
        return self.base / "emulated"

    @property
    def ports(self) -> Path:
        return self.base / "ports.json"

    @property
    def mosquitto_configuration(self) -> Path:
        return self.base / "mosquitto.conf"

    @property
    def mosquitto_log(self) -> Path:
        return self.base / "mosquitto.log"

    @property
    def simulator_log(self) -> Path:
        return self.base / "simulator.log"

    @property
    def lock(self) -> Path:
        return self.base / "lock"

    @property
    def log(self) -> Path:
        return self.base / "virtual.log"

    @property
    def scratch(self) -> Path:
        return self.base / "tmp"

    @property
    def loader(self) -> Path:
        """Name the program that plays a RISC-V program: ``loader PROGRAM ARGUMENT...``."""
        return self.base / "bin" / "riscv-run"

    @property
    def library_path(self) -> str:
        return ":".join(str(self.root / folder) for folder in LIBRARY_FOLDERS)

    @property
    def path(self) -> str:
        return f"{self.root / 'usr/bin'}:{SYSTEM_PATH}"


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 in one step; nothing sees it half written."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    new.replace(path)


def write_script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8")
    new.chmod(0o755)
    new.replace(path)


def create(layout: Layout, release: Release) -> None:
    """Create the folder (0700) and the camera's tree. Safe to repeat: models stay."""
    layout.base.mkdir(mode=0o700, parents=True, exist_ok=True)
    layout.base.chmod(0o700)
    folders = ("etc", "root", "tmp", "usr/bin", "userdata/Models", *LIBRARY_FOLDERS)
    for folder in folders:
        (layout.root / folder).mkdir(parents=True, exist_ok=True)
    layout.presets.mkdir(parents=True, exist_ok=True)
    layout.authorized_keys.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.rmtree(layout.scratch, ignore_errors=True)
    layout.scratch.mkdir()
    if not layout.host_key.exists():  # a new camera
        layout.first_login.touch()
    etc = layout.root / "etc"
    words = {"name": release.name, "version": release.version}
    (etc / "os-release").write_text(OS_RELEASE.format(**words), encoding="utf-8")
    (etc / "issue").write_text(ISSUE.format(**words), encoding="utf-8")
    layout.release.write_text(release.name + "\n", encoding="utf-8")
    for name, text in scripts.stand_ins(layout.base).items():
        write_script(layout.root / "usr" / "bin" / name, text)
    write_script(layout.loader, scripts.loader(layout.base))
    if not layout.runner.exists() or scripts.is_ours(layout.runner):
        write_script(layout.runner, scripts.runner(layout.loader))


def _loads(layout: Layout) -> str | None:
    """Return what the loader says against the TPU library; None when it loads."""
    code = "import ctypes; ctypes.CDLL('libcviruntime.so')"
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        env={**os.environ, "LD_LIBRARY_PATH": layout.library_path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if result.returncode == 0:
        return None
    lines = result.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"the interpreter ended with {result.returncode}"


def _link(name: str, sources: list[Path], target: Path) -> bool:
    """Link the first source folder's ``name`` into ``target``; return False when none has it."""
    found = next((folder / name for folder in sources if (folder / name).exists()), None)
    link = target / name
    link.unlink(missing_ok=True)
    if found is None:
        return False
    link.symlink_to(found.resolve())
    return True


def link_libraries(layout: Layout, sources: list[Path]) -> None:
    """Put the simulator where the camera keeps its TPU library. Raises SetupError.

    Only the three libraries it consists of are linked, so that nothing else, least of
    all another C library, comes with ``LD_LIBRARY_PATH``.
    """
    target = layout.root / "mnt" / "system" / "lib"
    for name in FALLBACKS:
        (target / name).unlink(missing_ok=True)
    missing = [name for name in SIMULATOR if not _link(name, sources, target)]
    if missing:
        raise SetupError(f"not found in --tpu-libraries: {', '.join(missing)}")
    problem = _loads(layout)
    if problem is None:
        return
    bundled = [*sources, *(folder / "third_party" for folder in sources)]
    for name in FALLBACKS:
        _link(name, bundled, target)
    if _loads(layout) is not None:
        raise SetupError(f"the TPU simulator does not load: {problem}")


def install_factory_model(layout: Layout, model: Path | None, info: Path | None) -> None:
    """Install the model of a new camera, as the preset of the factory's flows too.

    An installed model is never replaced.
    """
    target = layout.models / "model.cvimodel"
    if model is None or target.exists():
        return
    try:
        data = model.read_bytes()
        if info is not None:
            text = info.read_text(encoding="utf-8")
        else:
            text = json.dumps(
                {
                    "model_id": "0",
                    "version": "1.0.0",
                    "model_name": model.stem,
                    "model_format": "cvimodel",
                    "ai_framwork": "0",
                    "author": "",
                    "description": "",
                    "pic_url": "",
                    "classes": [],
                    "checksum": hashlib.md5(data, usedforsecurity=False).hexdigest(),
                },
                indent=2,
            )
    except OSError as error:
        raise SetupError(f"the factory model: {error}") from error
    for path in (target, layout.presets / PRESET):
        path.write_bytes(data)
        path.with_suffix(".json").write_text(text, encoding="utf-8")


def install_password(layout: Layout, file: Path | None) -> None:
    """Write the camera's password to a file that only its owner reads.

    It comes from ``file``, else is what it was before, else the factory's. Editing the file changes
    it at once.
    """
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise SetupError(f"the password file: {error}") from error
        if not lines or not lines[0]:
            raise SetupError(f"the password file {file} is empty")
        write_private(layout.password, lines[0] + "\n")
    elif not layout.password.exists():
        write_private(layout.password, FACTORY_PASSWORD + "\n")


def settings_text(layout: Layout, host: str, ports: Mapping[str, int]) -> str:
    """Write ``recam.toml`` for a client of this camera.

    ``ports`` are by the names of their settings. JSON strings are valid TOML strings.
    """
    values = {
        "host": host,
        **ports,
        "user": USER,
        "models": str(layout.models),
        "work": str(layout.work),
        "runner": str(layout.runner),
        "library_path": layout.library_path,
        "system": str(layout.root),
        "known_hosts": str(layout.known_hosts),
        "flow_backups": str(layout.flow_backups),
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(["[camera]", *lines, ""])


def known_hosts_text(public_key: str, host: str, port: int) -> str:
    """Write an OpenSSH known-hosts line for this camera's key ("ssh-ed25519 AAAA...")."""
    kind, key = public_key.split()[:2]
    return f"{host if port == 22 else f'[{host}]:{port}'} {kind} {key}\n"
