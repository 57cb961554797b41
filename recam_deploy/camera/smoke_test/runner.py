"""Running the camera's test binary once: bring what it takes, run it as root, read what it says.

Everything of a run lies in a folder of its own, so that a picture found afterwards is this run's,
whatever the camera's clock says. Whoever runs it holds the camera's lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image

from ... import cvimodel
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
from ...ssh.scripts import END_RUN, INSTALL_PROGRAM, NEW_RUN
from ..deployment import TrialResult
from ..facts import CameraFacts
from ..paths import CameraPaths
from ..workdir import make_work_folder
from .binary import RunnerBinary, RunnerSource
from .output import SscmaOutput, explain_failure, parse_output

_OUTPUT_LIMIT = 32 << 20  # the picture has the model input's size, so far less is normal


@dataclass(frozen=True)
class RunnerUsed:
    """The test binary of a run; `sha256` is None when it may not be read."""

    path: str
    sha256: str | None
    uploaded: bool


@contextlib.contextmanager
def as_smoke_test_error() -> Iterator[None]:
    """A camera that cannot do what the test needs has failed the test; other kinds stay theirs."""
    try:
        yield
    except CameraError as error:
        if type(error) is CameraError:
            hint = error.hint or "Look at what the camera has there, and try again."
            raise SmokeTestError(error.message, hint) from error
        raise


@contextlib.contextmanager
def explaining_memory(artifact: Artifact, facts: CameraFacts) -> Iterator[None]:
    """A model that could not be loaded is told with the memory that it takes and that there is."""
    try:
        yield
    except ModelNotLoadedError as error:
        needed = cvimodel.read_model(artifact.cvimodel).ion_bytes
        total = f"has {facts.ion_bytes / 1e6:.1f} MB in all" if facts.ion_bytes else "does not tell"
        error.message += (
            f": it needs {needed / 1e6:.1f} MB of the TPU's memory (ION), and the camera {total}"
        )
        raise


def input_size(artifact: Artifact) -> tuple[int, int]:
    """Width and height of the model's input in pixels. Raises InputError when it is no picture."""
    height, width = artifact.input_size
    if not (height and width):
        height, width = cvimodel.read_model(artifact.cvimodel).input_size
    return width, height


def try_loading(
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

    Says why not where that cannot be: no test binary there, one that does not know the family, or
    a sudo that wants a password when none was given. Raises SmokeTestError when the model or the
    binary fails, SudoError, ConnectionFailedError.
    """
    if facts.runner_sha256 is None:
        return TrialResult(
            False, f"the model was not tried: no test binary is on it ({paths.runner})"
        )
    grey = io.BytesIO()
    Image.new("RGB", input_size(artifact), "grey").save(grey, "JPEG")
    run = RunnerRun(connection, paths, secrets.token_hex(8), progress)
    try:
        with as_smoke_test_error():
            make_work_folder(connection, facts, paths)
            with run.folder(), explaining_memory(artifact, facts):
                run.execute(paths.runner, model, grey.getvalue(), timeout)
    except UnknownToRunnerError as error:
        return TrialResult(False, f"the model was not tried: {error.message}")
    except SudoPasswordNeededError as error:
        return TrialResult(False, f"the model was not tried: {error.message}")
    except SmokeTestError as error:
        error.hint += " `--no-try` deploys without this."
        raise
    return TrialResult(True, "the model was loaded and run on the camera before the switch")


def ensure_runner(
    connection: Connection,
    facts: CameraFacts,
    paths: CameraPaths,
    source: RunnerSource,
    progress: Progress,
) -> RunnerUsed:
    """See to it that the camera has a test binary. Raises SmokeTestError when there is none."""
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
            RemoteCommand.script(INSTALL_PROGRAM, staged, paths.runner, binary.sha256), timeout=60
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
        """Make the folder, and remove it in the end, as far as the connection allows."""
        self._connection.run(RemoteCommand.script(NEW_RUN, self._paths.work, self._folder))
        try:
            yield
        finally:
            with contextlib.suppress(CameraError):
                self._connection.remove(self._folder)

    def bring_model(self, artifact: Artifact) -> PurePosixPath:
        """Upload the model for this run alone."""
        path = self._paths.run_model(self._token, artifact.sha256)
        with self._progress.step(f"Uploading {artifact.cvimodel.name}", unit="bytes") as step:
            self._connection.upload(artifact.cvimodel.read_bytes(), path, step=step)
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
        """Run the test binary as root, which the TPU needs, and read what it prints.

        The library path goes through `env`: a plain SSH command reads no login profile, and what
        sudo keeps of the environment is a matter of each system's sudoers.
        """
        source = self._folder / "in.jpg"
        with self._progress.step("Uploading the picture", unit="bytes") as step:
            self._connection.upload(jpeg, source, step=step)
        command = RemoteCommand.of(
            "env",
            f"LD_LIBRARY_PATH={self._paths.library_path}",
            runner,
            model,
            source,
            self._output,
        ).named(runner.name)
        with self._progress.step("Running the model on the camera"), self._ending():
            result = self._connection.sudo(command, timeout=timeout, check=False)
        if not result.ok:
            raise explain_failure(result.exit_status, result.stdout, result.stderr)
        return parse_output(result.stdout, result.stderr)

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """Where we are interrupted, end the test binary: the TPU would stay in use after us."""
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            with contextlib.suppress(CameraError):
                self._connection.sudo(RemoteCommand.script(END_RUN, self._folder), check=False)
            raise

    @property
    def _output(self) -> PurePosixPath:
        return self._folder / "Out.jpg"

    def fetch_output(self, local: Path) -> Path:
        """Bring the run's picture here, and make sure that it is whole."""
        expected = self._connection.sha256(self._output)
        if expected is None:
            raise SmokeTestError(
                "the test binary ended well, but wrote no picture",
                "The camera's storage may be full; see what else runs there.",
            )
        with self._progress.step("Fetching Out.jpg", unit="bytes") as step:
            self._connection.download(self._output, local, limit=_OUTPUT_LIMIT, step=step)
        data = local.read_bytes()
        if hashlib.sha256(data).hexdigest() != expected or not _is_whole_picture(data):
            raise SmokeTestError(
                "the camera's picture arrived damaged, and was thrown away",
                "Run the command again.",
            )
        return local


def _is_whole_picture(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return True
