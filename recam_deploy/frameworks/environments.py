"""Install, find and remove the Python environments of exporters, each when it is first needed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import process
from ..documents import parse_json
from ..errors import ProcessError, ToolchainError
from ..installed import Installed, size_of
from ..progress import Progress, Step
from ..toolchain import Run, Uv, find_uv, install_error

PYTHON = "3.11"

_MANIFEST = "environment.json"
_INSTALL_SECONDS = 7200.0
_START_SECONDS = 300.0
_OWN_PYTHON = Path("Scripts/python.exe") if os.name == "nt" else Path("bin/python")


@dataclass(frozen=True)
class Environment:
    """The environment of one exporter.

    It has the packages of `lock`, whose hashes are checked, and the `unlocked` ones, whose files
    differ between indexes. `sizes` is shown before the download.
    """

    name: str
    title: str
    lock: str
    unlocked: tuple[str, ...]
    start_check: str
    sizes: str

    @property
    def lock_path(self) -> Path:
        """Return the path of the lock file."""
        return Path(__file__).with_name(self.lock)

    @property
    def digest(self) -> str:
        """Return the sha256 (hex) of all that is installed; it names the environment's folder."""
        text = f"{PYTHON}\0{' '.join(self.unlocked)}\0".encode()
        return hashlib.sha256(text + self.lock_path.read_bytes()).hexdigest()


TORCH = Environment(
    name="torch",
    title="PyTorch 2.13 and Ultralytics' exporter",
    lock="torch.lock",
    unlocked=("torch==2.13.0", "torchvision==0.28.0"),
    start_check="import torch, onnx, ultralytics",
    sizes="about 0.3 GB to download, 1.1 GB on disk",
)
TFLITE = Environment(
    name="tflite",
    title="TensorFlow 2.21 and tf2onnx",
    lock="tflite.lock",
    unlocked=(),
    start_check="import tensorflow, tf2onnx",
    sizes="about 0.4 GB to download, 1.6 GB on disk",
)
ENVIRONMENTS = {environment.name: environment for environment in (TORCH, TFLITE)}

_WITHOUT_CPU_BUILD = (
    "PyTorch's own index of CPU builds (download.pytorch.org) could not be used; taking torch from "
    "the package index. On Linux that build is for GPUs: about 3 GB to download, 7 GB on disk."
)


def folder(cache_dir: Path) -> Path:
    """Return the folder of all these environments in the user's cache."""
    return cache_dir / "frameworks"


def root(cache_dir: Path, environment: Environment) -> Path:
    """Return the folder of one environment, which need not exist."""
    return folder(cache_dir) / f"{environment.name}-{environment.digest[:12]}"


def find(cache_dir: Path, environment: Environment, run: Run = process.run) -> Path | None:
    """Return the interpreter of an installed environment; None when there is none that starts."""
    place = root(cache_dir, environment)
    try:
        manifest = parse_json((place / _MANIFEST).read_bytes())
        if manifest["digest"] != environment.digest:
            return None
        python = place / "env" / _OWN_PYTHON
        done = run([python, "-I", "-S", "-c", ""], timeout=_START_SECONDS)
    except (OSError, ValueError, KeyError, TypeError, ProcessError):
        return None
    return python if done.returncode == 0 else None


def ensure(
    cache_dir: Path,
    environment: Environment,
    progress: Progress,
    *,
    environ: Mapping[str, str] | None = None,
    run: Run = process.run,
) -> Path:
    """Return the interpreter of an environment; install it if needed.

    Raises ToolchainError when it cannot be installed or does not start.
    """
    place = root(cache_dir, environment)

    def make(new: Path) -> None:
        uv = find_uv(os.environ if environ is None else environ, cache_dir, run)
        _build(new, environment, uv, progress)

    def is_there() -> bool:
        return find(cache_dir, environment, run) is not None

    installed(cache_dir).ensure(place, is_there, make, progress)
    return place / "env" / _OWN_PYTHON


def installed(cache_dir: Path) -> Installed:
    """Return all these environments in the user's cache, those of other releases included."""
    return Installed(folder(cache_dir), "an exporter")


def _build(new: Path, environment: Environment, uv: Uv, progress: Progress) -> None:
    """Build an environment in the empty folder `new`, the manifest last. Raises ToolchainError."""
    progress.say(f"{environment.title}: {environment.sizes}")
    with progress.step(f"Installing {environment.title}", "MiB") as step:
        _install(new, environment, uv, progress, step)
        step.update(note="checking that it starts")
        _check_start(new, environment, uv)
    manifest = {"environment": environment.name, "digest": environment.digest}
    (new / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _install(new: Path, environment: Environment, uv: Uv, progress: Progress, step: Step) -> None:
    """Install the interpreter, the locked packages by hash, then the others.

    Raises ToolchainError with the cause.
    """

    def run(*arguments: str | Path) -> process.Completed:
        return uv.run(arguments, timeout=_INSTALL_SECONDS, step=step)

    install = ("pip", "install", "--python", new / "env" / _OWN_PYTHON)
    exactly = ("--no-deps", "--require-hashes", "--requirements", environment.lock_path)
    done = run("venv", "--no-project", "--python", PYTHON, new / "env")
    if done.returncode == 0:
        done = run(*install, *exactly)
    if done.returncode == 0 and environment.unlocked:
        done = run(*install, "--torch-backend", "cpu", *environment.unlocked)
        if done.returncode != 0:
            progress.say(_WITHOUT_CPU_BUILD)
            done = run(*install, *environment.unlocked)
    if done.returncode != 0:
        raise install_error(done, environment.title)


def _check_start(new: Path, environment: Environment, uv: Uv) -> None:
    check = uv.runner(
        [new / "env" / _OWN_PYTHON, "-c", environment.start_check],
        env=exporter_environment(new),
        cwd=new,
        timeout=_START_SECONDS,
    )
    if check.returncode != 0:
        raise ToolchainError(
            f"{environment.title} do not start on this machine: {check.tail(1)}",
            "Export the model to ONNX (opset 17, fixed shapes) on another machine, and give that.",
        )


# Needed to start programs at all. No other variable, and no secret, reaches a model's own code.
_INHERITED = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT", "OMP_NUM_THREADS")


def exporter_environment(scratch: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the whole environment of a process that loads a model.

    Its home is `scratch`, and its libraries are set not to use the network.
    """
    base = os.environ if environ is None else environ
    kept = {name: base[name] for name in _INHERITED if name in base}
    return kept | {
        "PATH": os.defpath,
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "PYTHONWARNINGS": "ignore",
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "YOLO_AUTOINSTALL": "false",
        "YOLO_CONFIG_DIR": str(scratch),
        "YOLO_OFFLINE": "true",
    }


@dataclass(frozen=True)
class Status:
    """An environment as `recam toolchain status` shows it; `size` is in bytes."""

    name: str
    title: str
    installed: bool
    size: int


def status(cache_dir: Path) -> list[Status]:
    """List the environments of this release, and whether they are installed."""
    places = [(environment, root(cache_dir, environment)) for environment in ENVIRONMENTS.values()]
    return [
        Status(e.name, e.title, (place / _MANIFEST).is_file(), size_of(place))
        for e, place in places
    ]


def remove(cache_dir: Path) -> int:
    """Remove all environments, those of other releases included; return the bytes freed.

    Raises ToolchainError while one is being installed.
    """
    return installed(cache_dir).remove()
