"""Test a model whose rows are padded, with `tpu_run.py` on the camera's own Python.

The test binary `sscma-model` writes dense rows (SSCMA-Micro sscma/core/model/
ma_model_detector.cpp), so such a model gets a sheared picture from it, though not live.
`tpu_run.py` pads the rows and writes the raw outputs, which are decoded here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from ...artifact import Artifact
from ...cvimodel.classes import class_count
from ...detection.draw import draw_detections
from ...detection.letterbox import Letterbox
from ...detection.types import Detection
from ...errors import SmokeTestError
from ...network.decoding import DECODED, decode_family
from ...progress import Progress
from ..facts import CameraFacts
from ..paths import CameraPaths
from ..raw_outputs import CameraTpu, script_text, upload_script
from .output import SmokeTimings
from .runner import RunnerRun, RunnerUsed

PADDED = "padded"


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
    progress: Progress,
) -> RawTest:
    """Run the cvimodel `model` on the camera on a letterboxed picture, and decode its outputs.

    The caller creates the run's folder. Raises SmokeTestError, SudoError, ConnectionFailedError.
    """
    height, width = artifact.read().layout.input_size
    letterbox = Letterbox.fit(picture.size, (width, height))
    model_input = letterbox.apply(picture)
    script = upload_script(run)
    tpu = CameraTpu(run, artifact, model, script, paths, timeout)
    (raw,) = tpu.measure([np.asarray(model_input, np.uint8)], progress)
    outputs = raw.arrays
    classes = class_count(artifact.read().layout) or len(artifact.labels)
    family, labels = _family(artifact), artifact.labels
    on_input = Letterbox.fit(model_input.size, model_input.size)
    return RawTest(
        tuple(decode_family(family, classes, labels, outputs, letterbox)),
        draw_detections(model_input, decode_family(family, classes, (), outputs, on_input)),
        SmokeTimings(None, round(raw.milliseconds), None),
        RunnerUsed(str(script), hashlib.sha256(script_text()).hexdigest(), True),
    )


def _family(artifact: Artifact) -> str:
    return artifact.family or artifact.read().layout.family or ""
