"""Test a model whose rows are padded, with `tpu_run.py` on the camera's own Python.

The test binary `sscma-model` writes dense rows (SSCMA-Micro sscma/core/model/
ma_model_detector.cpp), so such a model gets a sheared picture from it, though not live.
`tpu_run.py` pads the rows and writes the raw outputs, which are decoded here.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from ...artifact import Artifact
from ...cvimodel.classes import class_count
from ...cvimodel.values import read_tensor
from ...detection.draw import draw_detections
from ...detection.letterbox import Letterbox
from ...detection.types import Detection
from ...documents import parse_json
from ...errors import ModelNotLoadedError, SmokeTestError
from ...network.decoding import DECODED, decode_family
from ...resources import resource
from ...ssh.command import RemoteCommand
from ...ssh.session import Result
from ..facts import CameraFacts
from ..paths import CameraPaths
from .output import SmokeTimings
from .runner import RunnerRun, RunnerUsed

PADDED = "padded"
_ELEMENT_BYTES = 4  # the largest that an output can have


@dataclass(frozen=True)
class RawTest:
    """One run's detections, in pixels of the picture; `drawn` shows them on the model's input."""

    detections: tuple[Detection, ...]
    drawn: Image.Image
    timings: SmokeTimings
    runner: RunnerUsed


def needs_raw_run(artifact: Artifact) -> bool:
    """Return whether `sscma-model` would give this model a sheared picture."""
    return artifact.read().layout.rows == PADDED


def check_raw_run(artifact: Artifact, facts: CameraFacts) -> None:
    """Raise SmokeTestError when `run_raw` cannot test the model."""
    width = artifact.read().layout.input_size[1]
    why = f"the model's input is {width} pixels wide, which sscma-model reads sheared"
    if not facts.has_python3:
        raise SmokeTestError(
            f"{why}, and the camera has no python3 for the other test",
            "Deploy it and look at `recam watch`, or use a width that is a multiple of 64.",
        )
    if _family(artifact) not in DECODED:
        raise SmokeTestError(
            f"{why}, and recam cannot decode the family {_family(artifact) or 'of this model'}",
            "Deploy it and look at `recam watch`, or use a width that is a multiple of 64.",
        )


def run_raw(
    run: RunnerRun,
    artifact: Artifact,
    picture: Image.Image,
    model: PurePosixPath,
    paths: CameraPaths,
    timeout: float,
) -> RawTest:
    """Run the cvimodel `model` on the camera on a letterboxed picture, and decode its outputs.

    The caller creates the run's folder. Raises SmokeTestError, SudoError, ConnectionFailedError.
    """
    height, width = artifact.read().layout.input_size
    letterbox = Letterbox.fit(picture.size, (width, height))
    model_input = letterbox.apply(picture)
    program = resource("device/on_camera/tpu_run.py").read_bytes()
    script = run.upload("tpu_run.py", program, "Uploading tpu_run.py")
    source = run.upload(
        "in.bin", np.asarray(model_input, np.uint8).tobytes(), "Uploading the picture"
    )
    command = RemoteCommand.of(
        "env",
        f"LD_LIBRARY_PATH={paths.library_path}",
        *("python3", script, model, "--input", source, "--output-dir", run.path / "out"),
    ).named("tpu_run.py")
    report = _report(run.execute_as_root(command, timeout))
    outputs = [_fetch(run, index, info) for index, info in enumerate(report["outputs"])]
    classes = class_count(artifact.read().layout) or len(artifact.labels)
    family, labels = _family(artifact), artifact.labels
    on_input = Letterbox.fit(model_input.size, model_input.size)
    return RawTest(
        tuple(decode_family(family, classes, labels, outputs, letterbox)),
        draw_detections(model_input, decode_family(family, classes, (), outputs, on_input)),
        SmokeTimings(None, round(report["images"][0]["forward_ms"][0]), None),
        RunnerUsed(str(script), hashlib.sha256(program).hexdigest(), True),
    )


def _family(artifact: Artifact) -> str:
    return artifact.family or artifact.read().layout.family or ""


def _report(result: Result) -> dict[str, Any]:
    """Parse the document that `tpu_run.py` prints. Raises SmokeTestError."""
    if result.ok:
        try:
            report: dict[str, Any] = parse_json(result.stdout)
            if report["images"][0]["forward_ms"] and report["outputs"]:
                return report
        except (ValueError, LookupError, TypeError):
            pass
        raise SmokeTestError("tpu_run.py on the camera printed no result", "Run the test again.")
    last = result.tail(1)
    if "the model failed" in last:
        raise ModelNotLoadedError(
            f"the camera could not load the model: {last}",
            "It may be larger than the TPU's memory. Stop the running flow and run the test again.",
        )
    raise SmokeTestError(
        f"tpu_run.py on the camera failed (exit status {result.exit_status}): {last}",
        "Stop the running flow, which may use the TPU, and run the test again.",
    )


def _fetch(run: RunnerRun, index: int, info: dict[str, Any]) -> Any:
    """Download one output: float32, in the model's shape. Raises SmokeTestError."""
    limit = math.prod(info["shape"]) * _ELEMENT_BYTES + 64
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "output.bin"
        run.download(run.path / "out" / "0" / f"{index}.bin", local, limit)
        try:
            return read_tensor(local, info).array
        except (ValueError, LookupError) as error:
            raise SmokeTestError(
                f"the output {index} arrived damaged: {error}", "Run the command again."
            ) from error
