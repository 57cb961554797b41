"""Run the camera's test binary once: upload its input, run it as root, parse its output.

Each run has a folder of its own, so that the picture found there afterwards is this run's. The
caller holds the camera's lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image

from ...artifact import Artifact
from ...errors import (
    CameraError,
    ModelNotLoadedError,
    SmokeTestError,
    SudoPasswordNeededError,
    UnknownToRunnerError,
)
from ...progress import Progress
from ...ssh.command import RemoteCommand
from ...ssh.connection import Connection
from ...ssh.session import Result
from ..checks import decoded_family
from ..deployment import TrialResult
from ..facts import CameraFacts
from ..paths import CameraPaths
from ..workdir import make_work_folder
from .binary import RunnerBinary, RunnerSource
from .output import SscmaOutput, explain_failure, parse_output

_OUTPUT_LIMIT = 32 << 20  # bytes; a picture of the model input's size is far smaller


@dataclass(frozen=True)
class RunnerUsed:
    """The test binary of a run; `sha256` is None when the user may not read it."""

    path: str
    sha256: str | None
    uploaded: bool


@contextlib.contextmanager
def as_smoke_test_error() -> Iterator[None]:
    """Turn a plain CameraError into SmokeTestError; pass its subclasses on."""
    try:
        yield
    except CameraError as error:
        if type(error) is CameraError:
            hint = error.hint or "Run `recam doctor`, which checks the camera."
            raise SmokeTestError(error.message, hint) from error
        raise


@contextlib.contextmanager
def adding_memory_needs(artifact: Artifact, facts: CameraFacts) -> Iterator[None]:
    """Add to a ModelNotLoadedError how much memory the model needs and the camera has."""
    try:
        yield
    except ModelNotLoadedError as error:
        needed = artifact.read().layout.ion_bytes
        total = (
            f"has {facts.ion_bytes / 1e6:.1f} MB in all"
            if facts.ion_bytes
            else "does not report its size"
        )
        error.message += (
            f": it needs {needed / 1e6:.1f} MB of the TPU's memory (ION), and the camera {total}"
        )
        raise


def input_size(artifact: Artifact) -> tuple[int, int]:
    """Return width and height of the model's input in pixels.

    Raises InputError when the input is no picture.
    """
    height, width = artifact.input_size
    if not (height and width):
        height, width = artifact.read().layout.input_size
    return width, height


def run_trial(
    connection: Connection,
    artifact: Artifact,
    facts: CameraFacts,
    paths: CameraPaths,
    model: PurePosixPath,
    progress: Progress,
    *,
    timeout: float,
) -> TrialResult:
    """Load the cvimodel `model` on the camera, and run it once on a grey picture.

    The result says why this was not possible: a model that no program of the camera decodes, no
    test binary, one that does not know the family, or a sudo password that was not given. Raises
    SmokeTestError when the model or the binary fails, SudoError, ConnectionFailedError.
    """
    if not decoded_family(artifact.read().layout):
        return TrialResult(False, "the model was not tested: the camera decodes no such outputs")
    if facts.runner_sha256 is None:
        return TrialResult(
            False, f"the model was not tested: the camera has no test binary ({paths.runner})"
        )
    grey = io.BytesIO()
    Image.new("RGB", input_size(artifact), "grey").save(grey, "JPEG")
    run = RunnerRun(connection, paths, secrets.token_hex(8), progress)
    try:
        with as_smoke_test_error():
            make_work_folder(connection, facts, paths)
            with run.folder(), adding_memory_needs(artifact, facts):
                run.execute(paths.runner, model, grey.getvalue(), timeout)
    except UnknownToRunnerError as error:
        return TrialResult(False, f"the model was not tested: {error.message}")
    except SudoPasswordNeededError as error:
        return TrialResult(False, f"the model was not tested: {error.message}")
    except SmokeTestError as error:
        error.hint += " `--no-try` deploys without this test."
        raise
    return TrialResult(True, "the model was loaded and run on the camera before the switch")


def ensure_runner(
    connection: Connection,
    facts: CameraFacts,
    paths: CameraPaths,
    source: RunnerSource,
    progress: Progress,
) -> RunnerUsed:
    """Upload the test binary if needed. Raises SmokeTestError when there is none."""
    binary = source.to_upload(facts.runner_sha256)
    if binary:
        _upload_runner(connection, paths, binary, progress)
        return RunnerUsed(str(paths.runner), binary.sha256, True)
    if facts.runner_sha256 is None:
        raise SmokeTestError(
            f"the camera has no test binary ({paths.runner})",
            "Run `recam runner fetch` once, or give one with --runner.",
        )
    return RunnerUsed(str(paths.runner), facts.runner_sha256 or None, False)


def _upload_runner(
    connection: Connection, paths: CameraPaths, binary: RunnerBinary, progress: Progress
) -> None:
    staged = paths.staged_runner(binary.sha256)
    try:
        with progress.step("Uploading sscma-model", unit="bytes") as step:
            connection.upload(binary.path.read_bytes(), staged, mode=0o755, step=step)
        connection.run(
            RemoteCommand.script("install_program", staged, paths.runner, binary.sha256),
            timeout=60,
        )
    except CameraError:
        with contextlib.suppress(CameraError):
            connection.remove(staged)
        raise


class RunnerRun:
    """One run in a folder of its own on the camera."""

    def __init__(
        self, connection: Connection, paths: CameraPaths, token: str, progress: Progress
    ) -> None:
        self._connection = connection
        self._paths = paths
        self._token = token
        self._folder = paths.run_folder(token)
        self._progress = progress

    @contextlib.contextmanager
    def folder(self) -> Iterator[None]:
        """Make the folder; remove it in the end, unless the connection is lost."""
        self._connection.run(RemoteCommand.script("new_run", self._paths.work, self._folder))
        try:
            yield
        finally:
            with contextlib.suppress(CameraError):
                self._connection.remove(self._folder)

    @property
    def path(self) -> PurePosixPath:
        """The run's folder on the camera."""
        return self._folder

    def showing(self, progress: Progress) -> RunnerRun:
        """Return the same run, whose progress is shown elsewhere."""
        return RunnerRun(self._connection, self._paths, self._token, progress)

    def upload(self, name: str, data: bytes, title: str) -> PurePosixPath:
        """Upload a file into the run's folder; return its path there."""
        path = self._folder / name
        with self._progress.step(title, unit="bytes") as step:
            self._connection.upload(data, path, step=step)
        return path

    def download(self, path: PurePosixPath, local: Path, limit: int, title: str = "") -> None:
        """Download a file of at most `limit` bytes."""
        with self._progress.step(title or f"Fetching {path.name}", unit="bytes") as step:
            self._connection.download(path, local, limit=limit, step=step)

    def upload_model(self, artifact: Artifact) -> PurePosixPath:
        """Upload the model into the run's folder, and check its hash; return its path there."""
        path = self._paths.run_model(self._token, artifact.sha256)
        with self._progress.step(f"Uploading {artifact.cvimodel.name}", unit="bytes") as step:
            self._connection.upload(artifact.read().data, path, step=step)
        self._check(path, artifact.sha256)
        return path

    def _check(self, path: PurePosixPath, sha256: str) -> None:
        if self._connection.sha256(path) != sha256:
            raise SmokeTestError(
                f"{path.name} arrived damaged on the camera (its sha256 differs)",
                "Run the command again; if it happens again, check the cable and the storage.",
            )

    def execute(
        self, runner: PurePosixPath, model: PurePosixPath, jpeg: bytes, timeout: float
    ) -> SscmaOutput:
        """Run the test binary as root, which the TPU needs, and parse its output.

        `env` sets the library path: an SSH command reads no login profile, and sudoers decides
        which variables sudo keeps. `timeout` is in seconds.
        """
        source = self.upload("in.jpg", jpeg, "Uploading the picture")
        command = RemoteCommand.of(
            "env",
            f"LD_LIBRARY_PATH={self._paths.library_path}",
            runner,
            model,
            source,
            self._output,
        ).named(runner.name)
        result = self.execute_as_root(command, timeout)
        if not result.ok:
            raise explain_failure(result.exit_status, result.stdout, result.stderr)
        return parse_output(result.stdout, result.stderr)

    def execute_as_root(self, command: RemoteCommand, timeout: float) -> Result:
        """Run a program that uses the TPU, as root; end it when recam is interrupted."""
        with self._progress.step("Running the model on the camera"), self._ending_if_interrupted():
            return self._connection.sudo(command, timeout=timeout, check=False)

    @contextlib.contextmanager
    def _ending_if_interrupted(self) -> Iterator[None]:
        """End the test binary when recam is interrupted, for it would keep using the TPU."""
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            with contextlib.suppress(CameraError):
                self._connection.sudo(RemoteCommand.script("end_run", self._folder), check=False)
            raise

    @property
    def _output(self) -> PurePosixPath:
        return self._folder / "Out.jpg"

    def fetch_output(self) -> bytes:
        """Download the run's picture. Raises SmokeTestError when it is missing or damaged."""
        expected = self._connection.sha256(self._output)
        if expected is None:
            raise SmokeTestError(
                "the test binary succeeded, but wrote no picture",
                "Run `recam doctor`: the camera's storage may be full.",
            )
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / self._output.name
            self.download(self._output, local, _OUTPUT_LIMIT)
            data = local.read_bytes()
        if hashlib.sha256(data).hexdigest() != expected or not _is_whole_picture(data):
            raise SmokeTestError(
                "the camera's picture arrived damaged, and was discarded",
                "Run the command again.",
            )
        return data


def _is_whole_picture(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except Exception:  # Pillow's readers raise anything for a damaged file
        return False
    return True
