"""Run a cvimodel on the camera's TPU for its raw outputs, with `tpu_run.py` on its own Python.

Inputs and outputs travel as one file each for a batch of pictures: a command, or a file over scp,
costs the camera tens of milliseconds.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from ..artifact import Artifact
from ..cvimodel import CviModel, Tensor
from ..cvimodel.model import DTYPE_BYTES
from ..cvimodel.values import Value, read_packed
from ..documents import parse_json
from ..errors import InputError, ModelNotLoadedError, SmokeTestError
from ..progress import Progress
from ..resources import resource
from ..ssh.command import RemoteCommand
from ..ssh.connection import Connection
from ..ssh.session import Result
from .checks import RESERVE_BYTES, refuse_too_large
from .facts import CameraFacts
from .paths import CameraPaths
from .smoke_test.runner import RunnerRun, adding_memory_needs, as_smoke_test_error
from .workdir import make_work_folder

SCRIPT = "tpu_run.py"

_BATCH_BYTES = 32 << 20  # inputs and outputs together: it is held in memory here
_SECONDS_AN_IMAGE = 20  # the virtual camera's simulator takes 9 for a large model
_BEYOND_BYTES = 64  # a file that is a little too large is told as such


@dataclass(frozen=True)
class RawOutputs:
    """The outputs of one picture, in the model's order, and the milliseconds of the pass."""

    values: tuple[Value, ...]
    milliseconds: float

    @property
    def arrays(self) -> list[npt.NDArray[np.float32]]:
        """The outputs as float32."""
        return [value.array for value in self.values]


class CameraTpu:
    """The camera's TPU with one cvimodel that lies there; a `conversion.tpu.Tpu`.

    One thread at a time may use it. The caller holds the camera's lock and the run's folder, and
    removes that.
    """

    def __init__(
        self,
        run: RunnerRun,
        artifact: Artifact,
        model: PurePosixPath,
        script: PurePosixPath,
        paths: CameraPaths,
        timeout: float,
        batch: int = 1,
    ) -> None:
        """Use the `model` and the `script` in place; `timeout` is in seconds, for one batch.

        Raises InputError for a model that does not take one picture.
        """
        self._run = run
        self._layout = artifact.read().layout
        self._input = _picture_input(artifact.cvimodel.name, self._layout)
        self._model = model
        self._script = script
        self._library_path = paths.library_path
        self._timeout = timeout
        self._batch = batch

    def run(
        self, model: Path, images: Sequence[npt.NDArray[Any]], progress: Progress
    ) -> list[list[npt.NDArray[np.float32]]]:
        """Return the outputs for each image, uint8 [H, W, 3], in the model's order, as float32.

        `model` is the artifact's own. Raises SmokeTestError, SudoError, ConnectionFailedError.
        """
        return [one.arrays for one in self.measure(images, progress)]

    def measure(self, images: Sequence[npt.NDArray[Any]], progress: Progress) -> list[RawOutputs]:
        """Run images as `run` does; return their outputs with their types and times."""
        found: list[RawOutputs] = []
        for start in range(0, len(images), self._batch):
            found += self._measure(images[start : start + self._batch], progress)
        return found

    def _measure(self, images: Sequence[npt.NDArray[Any]], progress: Progress) -> list[RawOutputs]:
        run = self._run.showing(progress)
        count = f"{len(images)} pictures" if len(images) > 1 else "the picture"
        source = run.upload("in.bin", b"".join(map(self._bytes, images)), f"Uploading {count}")
        target = run.path / "out.bin"
        command = RemoteCommand.of(
            "env",
            f"LD_LIBRARY_PATH={self._library_path}",
            *("python3", self._script, self._model, "--packed", source, "--packed-output", target),
        ).named(SCRIPT)
        timeout = self._timeout + _SECONDS_AN_IMAGE * len(images)
        result = run.execute_as_root(command, timeout)
        report = parse_report(result, self._layout, len(images))
        values = self._fetch(run, target, report)
        return [
            RawOutputs(tuple(one), milliseconds)
            for one, milliseconds in zip(values, report.milliseconds, strict=True)
        ]

    def _bytes(self, image: npt.NDArray[Any]) -> bytes:
        data = np.ascontiguousarray(image, np.uint8).tobytes()
        if len(data) != _size(self._input):
            raise SmokeTestError(
                f"the picture has {len(data)} bytes, and the model takes {_size(self._input)}"
            )
        return data

    def _fetch(self, run: RunnerRun, path: PurePosixPath, report: RunReport) -> list[list[Value]]:
        """Download the outputs of a batch. Raises SmokeTestError when their size is another."""
        images = len(report.milliseconds)
        size = images * sum(_size(output) for output in self._layout.outputs)
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / path.name
            run.download(path, local, size + _BEYOND_BYTES, "Fetching the outputs")
            try:
                return read_packed(local, report.tensors, images)
            except ValueError as error:
                raise SmokeTestError(
                    f"the outputs arrived damaged: {error}", "Run the command again."
                ) from error


@contextlib.contextmanager
def open_tpu(
    connection: Connection,
    artifact: Artifact,
    facts: CameraFacts,
    paths: CameraPaths,
    progress: Progress,
    timeout: float = 120.0,
) -> Iterator[CameraTpu]:
    """Bring a cvimodel to the camera, unless it is the active one; remove it when the block ends.

    `facts` were gathered under the lock, which the caller holds. `timeout` is that of `CameraTpu`.
    Raises InputError, DeploymentError, SmokeTestError, SudoError, ConnectionFailedError, before
    anything is written where that can be known.
    """
    _picture_input(artifact.cvimodel.name, artifact.read().layout)
    refuse_too_large(artifact, facts)
    check_python(facts)
    batch = _batch_size(artifact, facts)
    with as_smoke_test_error():
        make_work_folder(connection, facts, paths)
        run = RunnerRun(connection, paths, secrets.token_hex(8), progress)
        with run.folder(), adding_memory_needs(artifact, facts):
            script = upload_script(run)
            active = facts.active_sha256 == artifact.sha256
            model = paths.active_model if active else run.upload_model(artifact)
            yield CameraTpu(run, artifact, model, script, paths, timeout, batch)


def check_python(facts: CameraFacts) -> None:
    """Raise SmokeTestError for a camera without the Python that runs the script."""
    if not facts.has_python3:
        raise SmokeTestError(
            f"the camera has no python3, which runs {SCRIPT} for a model's raw outputs",
            "Update the camera's firmware. `recam test` without --exact and `recam evaluate` "
            "without --on camera need none.",
        )


def upload_script(run: RunnerRun) -> PurePosixPath:
    """Upload `tpu_run.py` into the run's folder; return its path there."""
    return run.upload(SCRIPT, script_text(), f"Uploading {SCRIPT}")


def script_text() -> bytes:
    """Return the program that is uploaded."""
    return resource(f"device/on_camera/{SCRIPT}").read_bytes()


def _picture_input(name: str, layout: CviModel) -> Tensor:
    """Return the one input of a model. Raises InputError when it is no picture of bytes."""
    _ = layout.input_size  # raises where there is no one picture
    tensor = layout.inputs[0]
    if DTYPE_BYTES[tensor.dtype] != 1:
        raise InputError(
            f"{name} takes {tensor.dtype} values, and no picture of bytes",
            "Convert the model with `recam convert`, which fuses the preprocessing.",
        )
    return tensor


def _size(tensor: Tensor) -> int:
    return math.prod(tensor.shape) * DTYPE_BYTES[tensor.dtype]


def _batch_size(artifact: Artifact, facts: CameraFacts) -> int:
    """Return how many pictures fit on the camera at once, with their outputs.

    Raises SmokeTestError when not even one does.
    """
    layout = artifact.read().layout
    one = sum(map(_size, (*layout.inputs, *layout.outputs)))
    model = 0 if facts.active_sha256 == artifact.sha256 else artifact.size
    room = facts.work.free - model - RESERVE_BYTES
    if room < one:
        raise SmokeTestError(
            f"not enough space on the camera: {facts.work.free / 1e6:.1f} MB free on "
            f"{facts.work.mount}, {(model + one + RESERVE_BYTES) / 1e6:.1f} MB needed",
            "Remove recordings or old models there.",
        )
    return max(1, min(room, _BATCH_BYTES) // one)


@dataclass(frozen=True)
class RunReport:
    """What `tpu_run.py` reports of a batch.

    `tensors` describe the outputs as `cvimodel.values` reads them; `milliseconds` are those of each
    picture's pass.
    """

    tensors: list[dict[str, Any]]
    milliseconds: list[float]


def parse_report(result: Result, layout: CviModel, images: int) -> RunReport:
    """Parse the document that the script prints for a model. Raises SmokeTestError."""
    if not result.ok:
        raise _failure(result)
    try:
        document: dict[str, Any] = parse_json(result.stdout)
        times = [float(image["forward_ms"][0]) for image in document["images"]]
        tensors = [
            _described(tensor, output)
            for tensor, output in zip(document["outputs"], layout.outputs, strict=True)
        ]
        if len(times) != images:
            raise ValueError(f"it ran {len(times)} of {images} pictures")
    except (ValueError, LookupError, TypeError) as error:
        raise SmokeTestError(
            f"{SCRIPT} on the camera printed no result of this model: {error}",
            "Run the command again.",
        ) from error
    return RunReport(tensors, times)


def _described(tensor: dict[str, Any], output: Tensor) -> dict[str, Any]:
    """Check a tensor's description against the model's output.

    Raises ValueError, LookupError or TypeError.
    """
    shape = [int(side) for side in tensor["shape"]]
    wanted = (_size(output), output.dtype, math.prod(output.shape))
    if (tensor["bytes"], tensor["dtype"], math.prod(shape)) != wanted or min(shape) < 1:
        raise ValueError(f"the output {output.name} is another")
    scale = {"qscale": float(tensor["qscale"]), "zero_point": int(tensor["zero_point"])}
    if abs(scale["zero_point"]) >= 1 << 31:
        raise ValueError(f"the zero point of {output.name} is no int32")
    return {"bytes": _size(output), "dtype": output.dtype, "shape": shape, **scale}


def _failure(result: Result) -> SmokeTestError:
    """Return the error for a script that failed."""
    last = result.tail(1)
    if "the model failed" in last:
        return ModelNotLoadedError(
            f"the camera could not load the model: {last}",
            "It may be larger than the TPU's memory. Stop the running flow and run the command "
            "again.",
        )
    hint = "Stop the running flow, which may use the TPU, and run the command again."
    if "No space left" in last:
        hint = "Remove recordings or old models there."
    return SmokeTestError(
        f"{SCRIPT} on the camera failed (exit status {result.exit_status}): {last}", hint
    )
