"""Build the Docker image with the compiler once: Sophgo's image and one more layer.

An image, not a volume: it is complete or missing, cannot be written to, and Docker keeps one for
each release of recam. Its tag holds the hash of all that it is built from.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import process
from ..documents import parse_json
from ..errors import ProcessError, ToolchainError
from ..progress import Progress, Step
from .docker import DOCKER, INSIDE, PLATFORM, DockerToolchain, Engine
from .environment import installed
from .failures import DOCKER_FAILURES, START_FAILURES, Failure, last_lines
from .installation import START_CHECK
from .local import (
    BUNDLED_LIBRARIES,
    STAND_INS,
    TPU_MLIR_VERSION,
    requirements_lock,
    toolchain_folder,
)
from .python310 import Run

# Ubuntu 22.04 with CPython 3.10: sophgo/tpu-mlir docs/quick_start, docker/tpuc_dev_base.Dockerfile.
BASE_IMAGE = "sophgo/tpuc_dev:v3.1"

_HOME = "/tmp"  # noqa: S108 - inside the container, which no other program shares

_ASK_SECONDS = 60.0
_PULL_SECONDS = 4 * 3600.0
_BUILD_SECONDS = 2 * 3600.0

# Docker keeps the values of these build arguments out of the image's history.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def dockerfile() -> str:
    """Write the Dockerfile, which makes the environment that `installation.build` makes here.

    Packages are installed with --target, so that the environment needs neither pip nor ensurepip.
    """
    root, package = INSIDE.root, INSIDE.package
    kept = " -o ".join(f"-name {name}" for name in sorted(BUNDLED_LIBRARIES))
    clear = (
        "import pathlib, elf; "
        f"[elf.clear_executable_stack(path) for path in pathlib.Path('{package.parent}')"
        ".rglob('*.so*')]"
    )
    install = " && ".join(
        (
            f"cd {root}",
            f"python3.10 -m venv --without-pip {root / 'env'}",
            "python3.10 -m pip install --no-cache-dir --disable-pip-version-check --no-deps "
            "--require-hashes --only-binary :all: --requirement requirements.lock "
            f"--target {package.parent}",
            rf"find {package / 'lib' / 'third_party'} -mindepth 1 ! \( {kept} \) -delete",
            f"python3.10 -c {shlex.quote(clear)}",
            f"chmod -R a+rX {root}",
        )
    )
    # The user of a container is a bare number, without a home or an entry in /etc/passwd.
    user = {"HOME": _HOME, "USER": "recam", "LOGNAME": "recam"}
    environment = INSIDE.environment(user)
    lines = (
        f"FROM {BASE_IMAGE}",
        "ARG PIP_INDEX_URL",
        f"COPY requirements.lock elf.py start_check.py {root}/",
        f"COPY stand-ins {root}/stand-ins",
        f"RUN {install}",
        *(f'ENV {name}="{value}"' for name, value in sorted(environment.items())),
        f"RUN {INSIDE.python} {root}/start_check.py",
        "ENTRYPOINT []",
    )
    return "\n".join(lines) + "\n"


def image_files() -> dict[str, bytes]:
    """Return the files that the image is built from, by path.

    All of them, comments included, enter the tag: a change builds a new image for every user.
    """
    return {
        "Dockerfile": dockerfile().encode(),
        "requirements.lock": requirements_lock(),
        "elf.py": Path(__file__).with_name("elf.py").read_bytes(),
        "start_check.py": START_CHECK.encode(),
        **{f"stand-ins/{name}": text.encode() for name, text in STAND_INS.items()},
    }


def image_tag(files: Mapping[str, bytes]) -> str:
    """Return the name of the image that is built from `files`, which holds their hash."""
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return f"recam-tpu_mlir:{TPU_MLIR_VERSION}-{digest.hexdigest()[:12]}"


def pull_words() -> tuple[str, ...]:
    """Return the command that downloads Sophgo's image."""
    return (DOCKER, "pull", "--platform", PLATFORM, BASE_IMAGE)


def build_words(tag: str, context: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command that builds the image `tag` from the files in `context`.

    Proxies and pip's index are passed on by name. An index with a password is not: it would stay
    in the image's history. Packages from any index are checked by hash.
    """
    names = [name for proxy in _PROXIES for name in (proxy, proxy.lower()) if environ.get(name)]
    if "@" not in environ.get("PIP_INDEX_URL", "@"):
        names.append("PIP_INDEX_URL")
    arguments = (part for name in names for part in ("--build-arg", name))
    return (DOCKER, "build", "--platform", PLATFORM, "--tag", tag, *arguments, str(context))


def ensure_docker(
    cache_dir: Path,
    progress: Progress,
    *,
    environ: Mapping[str, str] | None = None,
    run: Run = process.run,
) -> DockerToolchain:
    """Return the compiler in its image; build the image if needed (several gigabytes to download).

    A second process waits for the first. Raises ToolchainError when Docker is missing, cannot be
    used, or the image cannot be built.
    """
    client = _Client(run, os.environ if environ is None else environ)
    engine = client.engine()
    files = image_files()
    tag = image_tag(files)
    if not client.has(tag):
        with installed(cache_dir).locked(progress):
            if not client.has(tag):
                if not client.has(BASE_IMAGE):
                    client.pull(progress)
                client.build(tag, files, toolchain_folder(cache_dir), progress)
    return DockerToolchain(tag, engine, run=run)


@dataclass(frozen=True)
class _Client:
    """Runs the program `docker` in the environment `environ`."""

    run: Run
    environ: Mapping[str, str]

    def engine(self) -> Engine:
        """Read the engine's security options. Raises ToolchainError when it does not answer."""
        done = self._docker(
            (DOCKER, "info", "--format", "{{json .SecurityOptions}}"), _ASK_SECONDS, None
        )
        if done.returncode != 0:
            raise docker_error("Docker cannot be used", done)
        try:
            security = parse_json(done.stdout or "null") or []
        except ValueError as error:
            raise docker_error("Docker cannot be used", done) from error
        return Engine.with_security(security, os.getuid(), os.getgid())

    def has(self, image: str) -> bool:
        """Say whether the engine has the image."""
        command = (DOCKER, "image", "inspect", "--format", "{{.Id}}", image)
        return self._docker(command, _ASK_SECONDS, None).returncode == 0

    def pull(self, progress: Progress) -> None:
        with progress.step(f"Fetching the Docker image {BASE_IMAGE}", "layers") as step:
            done = self._docker(pull_words(), _PULL_SECONDS, step)
        if done.returncode != 0:
            raise docker_error(f"the Docker image {BASE_IMAGE} could not be fetched", done)

    def build(self, tag: str, files: Mapping[str, bytes], folder: Path, progress: Progress) -> None:
        title = f"Installing the compiler tpu_mlir {TPU_MLIR_VERSION} in a Docker image"
        with (
            tempfile.TemporaryDirectory(dir=folder, prefix=".docker-") as name,
            progress.step(title, "steps") as step,
        ):
            context = Path(name)
            write_context(context, files)
            done = self._docker(build_words(tag, context, self.environ), _BUILD_SECONDS, step)
        if done.returncode != 0:
            raise docker_error("the compiler could not be installed in a Docker image", done)
        if not self.has(tag):
            raise ToolchainError(
                f"Docker built the image {tag} and did not keep it",
                "Your builder keeps images to itself. Run `docker buildx use default`.",
            )

    def _docker(
        self, command: Sequence[str], timeout: float, step: Step | None
    ) -> process.Completed:
        on_line = DockerProgress(step).line if step else None
        try:
            return self.run(command, env=self.environ, timeout=timeout, on_line=on_line)
        except ProcessError as error:
            if shutil.which(DOCKER, path=self.environ.get("PATH")) is None:
                raise ToolchainError(
                    "Docker is not installed: there is no program `docker` on PATH",
                    "Install Docker Engine or Docker Desktop (https://docs.docker.com/get-docker/).",
                ) from error
            raise ToolchainError(
                f"Docker cannot be used: {error.message}",
                "See whether `docker info` answers; restart Docker if it does not.",
            ) from error


def write_context(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` into `folder`; those that begin with `#!` become executable."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o755 if data.startswith(b"#!") else 0o644)


class DockerProgress:
    """Follows the lines of `docker pull` and of `docker build`, with BuildKit and without.

    A pull prints `4f4fb700ef54: Pulling fs layer` and later `4f4fb700ef54: Pull complete`; a build
    `Step 3/9 : RUN ...`, or with BuildKit `#7 [3/5] RUN ...`.
    """

    _LAYER = re.compile(r"^([0-9a-f]{12}): (Pulling fs layer|Pull complete|Already exists)")
    _STEP = re.compile(r"^(?:Step (\d+)/(\d+) :|#\d+ \[(?:\S+ )?\s*(\d+)/(\d+)\])")

    def __init__(self, step: Step) -> None:
        self._step = step
        self._layers: set[str] = set()
        self._done: set[str] = set()

    def line(self, text: str) -> None:
        """Show the progress that one line of output reports."""
        if match := self._LAYER.match(text):
            self._layers.add(match[1])
            if match[2] != "Pulling fs layer":
                self._done.add(match[1])
            self._step.update(float(len(self._done)), float(len(self._layers)))
        elif match := self._STEP.match(text):
            number, total = match[1] or match[3], match[2] or match[4]
            self._step.update(float(number) - 1, float(total))


_INSTALL_FAILURES = (
    Failure(
        r"(?i)no space left on device",
        "Docker's disk is full",
        "The image takes several gigabytes: free some with `docker system prune`, or give Docker "
        "Desktop a larger disk.",
    ),
    Failure(
        r"toomanyrequests|pull rate limit",
        "Docker Hub refuses more downloads from this address for now",
        "Wait some hours, or log in with `docker login`.",
    ),
    Failure(
        r"pull access denied|manifest unknown|manifest for \S+ not found|repository does not exist",
        "the registry does not have the image",
        f"If you use a mirror of Docker Hub, check that it has {BASE_IMAGE}.",
    ),
    Failure(
        r"DO NOT MATCH THE HASHES",
        "the hash of a downloaded package is wrong",
        "A proxy or mirror may change files. Use another package index (PIP_INDEX_URL).",
    ),
    Failure(
        r"(?i)dial tcp|TLS handshake|i/o timeout|Client\.Timeout|no such host|proxyconnect|x509: "
        r"|connection (?:refused|reset|timed out)|failed to establish a new connection"
        r"|name resolution|read timed out|certificate verify failed|unexpected EOF",
        "the network failed",
        "Check the network and Docker's proxies (https://docs.docker.com/engine/cli/proxy/); then "
        "run this again.",
    ),
    Failure(
        r"No matching distribution found for (\S+)",
        "the package index lacks {1}",
        "Use PyPI or a full mirror of it (PIP_INDEX_URL).",
    ),
)


def docker_error(what: str, done: process.Completed) -> ToolchainError:
    """Return the error for a `docker` that failed, with its cause where that is known."""
    for failure in (*DOCKER_FAILURES, *_INSTALL_FAILURES, *START_FAILURES):
        if match := re.search(failure.pattern, done.output):
            cause = failure.cause.replace("{1}", match[1] if match.re.groups else "")
            return ToolchainError(f"{what}: {cause}", failure.hint)
    return ToolchainError(
        f"{what}: docker ended with exit code {done.returncode}: {last_lines(done.output)}",
        "Run this again; if it keeps failing, report these lines.",
    )
