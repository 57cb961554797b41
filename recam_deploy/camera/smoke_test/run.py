"""Test a model on the camera: run it on one picture on the TPU, and fetch the result."""

from __future__ import annotations

import io
import secrets
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from ...artifact import Artifact
from ...detection.draw import draw_detections
from ...detection.letterbox import Letterbox
from ...detection.types import Detection
from ...errors import InputError, SmokeTestError
from ...files import write_atomically
from ...folders import expanded
from ...progress import Progress
from ...ssh.connection import Connection
from ..checks import RESERVE_BYTES, check_decoded, refuse_too_large
from ..facts import CameraFacts, gather_facts
from ..paths import CameraPaths
from ..workdir import make_work_folder
from .binary import RunnerSource
from .output import RawBox, SmokeTimings, SscmaOutput
from .picture import CameraPicture, prepare_picture
from .raw import check_raw_run, needs_raw_run, run_raw
from .runner import (
    RunnerRun,
    RunnerUsed,
    adding_memory_needs,
    as_smoke_test_error,
    ensure_runner,
    input_size,
)


@dataclass(frozen=True)
class SmokeReport:
    """The result of a smoke test: two pictures, detections, timings, and the binary that ran.

    `output` is the camera's drawing, `labeled` ours with class names.
    """

    output: Path
    labeled: Path
    detections: tuple[Detection, ...]
    timings: SmokeTimings | None
    runner: RunnerUsed

    def as_json(self) -> dict[str, Any]:
        """Return the document of `test --json`."""
        timings: dict[str, int | None] = {
            "preprocess": None,
            "inference": None,
            "postprocess": None,
        }
        return {
            "output": str(self.output.absolute()),
            "labeled": str(self.labeled.absolute()),
            "detections": [detection.as_json() for detection in self.detections],
            "timings_ms": self.timings.as_json() if self.timings else timings,
            "runner": {
                "path": self.runner.path,
                "sha256": self.runner.sha256,
                "uploaded": self.runner.uploaded,
            },
        }


def run_smoke_test(
    connection: Connection,
    artifact: Artifact,
    image: Path,
    paths: CameraPaths,
    runner_source: RunnerSource,
    output: Path,
    labeled: Path,
    progress: Progress,
    timeout: float = 120.0,
    model: PurePosixPath | None = None,
    facts: CameraFacts | None = None,
) -> SmokeReport:
    """Run `artifact` on `image` on the camera, and write `output` and `labeled` here.

    `labeled` is the original picture with class names; `output` is the camera's own drawing, or for
    a padded model ours on the model's input. `model` is the artifact's path on the camera; without
    it the active model is used when it is the same, else the artifact is uploaded for this run.
    `timeout` limits the run, in seconds. After a failure both local files are as they were. The
    caller holds the camera's lock, and may pass the `facts` gathered under it.

    Raises InputError (picture, paths), SmokeTestError, SudoError, ConnectionFailedError.
    """
    _refuse_paths(image, output, labeled)
    raw = needs_raw_run(artifact)
    if raw and runner_source.wanted:
        raise InputError(
            "--runner has no effect: this model's rows are padded, which sscma-model cannot do, so "
            "tpu_run.py tests it",
            "Leave --runner out.",
        )
    if not raw:
        check_decoded(artifact)
    picture = prepare_picture(image)
    facts = facts or gather_facts(connection, paths)
    refuse_too_large(artifact, facts)
    with as_smoke_test_error():
        if raw:
            check_raw_run(artifact, facts)
        model = model or (paths.active_model if facts.active_sha256 == artifact.sha256 else None)
        _refuse_full(facts, 0 if model else artifact.size, picture)
        make_work_folder(connection, facts, paths)
        used = None if raw else ensure_runner(connection, facts, paths, runner_source, progress)
        run = RunnerRun(connection, paths, secrets.token_hex(8), progress)
        with run.folder(), adding_memory_needs(artifact, facts):
            model = model or run.upload_model(artifact)
            if used is None:
                tested = run_raw(run, artifact, picture.original, model, paths, timeout, progress)
                drawing, used = _encoded(tested.drawn, output), tested.runner
                detections = tested.detections
                timings: SmokeTimings | None = tested.timings
            else:
                parsed = run.execute(PurePosixPath(used.path), model, picture.jpeg, timeout)
                drawing, timings = run.fetch_output(), parsed.timings
                detections = find_detections(parsed, artifact, picture, input_size(artifact))
    named = _encoded(draw_detections(picture.original, detections), labeled)
    for path, content in ((output, drawing), (labeled, named)):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    return SmokeReport(output, labeled, detections, timings, used)


def _refuse_paths(image: Path, output: Path, labeled: Path) -> None:
    paths = [expanded(path).resolve() for path in (image, output, labeled)]
    if len(set(paths)) < len(paths):
        raise InputError(
            f"the picture and the two results must be three files: {image}, {output}, {labeled}",
            "Name another --output.",
        )
    for path in (output, labeled):
        if path.is_dir():
            raise InputError(
                f"{path} is a folder, but a file is written there", "Name another --output."
            )


def _refuse_full(facts: CameraFacts, model: int, picture: CameraPicture) -> None:
    needed = model + 2 * len(picture.jpeg) + RESERVE_BYTES
    if facts.work.free < needed:
        raise SmokeTestError(
            f"not enough space on the camera: {facts.work.free / 1e6:.1f} MB free on "
            f"{facts.work.mount}, {needed / 1e6:.1f} MB needed",
            "Remove recordings or old models there.",
        )


def find_detections(
    parsed: SscmaOutput, artifact: Artifact, picture: CameraPicture, target: tuple[int, int]
) -> tuple[Detection, ...]:
    """Convert the camera's results to detections with names, in pixels of the original picture.

    `target` is the model input's (width, height). A class of a classifier covers the whole picture.
    A box that lies wholly in the letterbox's padding is dropped.
    """
    letterbox = Letterbox.fit(picture.sent_size, target)
    width, height = picture.original.size
    scale = width / picture.sent_size[0], height / picture.sent_size[1]
    boxes = [_detection(box, artifact, letterbox, scale) for box in parsed.boxes]
    classes = [
        Detection(c.class_id, artifact.label(c.class_id), c.score, (0.0, 0.0, width, height))
        for c in parsed.classes
    ]
    visible = [box for box in boxes if box.visible] + classes
    return tuple(sorted(visible, key=lambda found: -found.score))


def _detection(
    box: RawBox, artifact: Artifact, letterbox: Letterbox, scale: tuple[float, float]
) -> Detection:
    wide, high = letterbox.target
    x1, y1, x2, y2 = letterbox.to_source(
        (
            (box.x - box.width / 2) * wide,
            (box.y - box.height / 2) * high,
            (box.x + box.width / 2) * wide,
            (box.y + box.height / 2) * high,
        )
    )
    corners = (x1 * scale[0], y1 * scale[1], x2 * scale[0], y2 * scale[1])
    points = (letterbox.point_to_source(x * wide, y * high) for x, y in box.keypoints)
    return Detection(
        box.class_id,
        artifact.label(box.class_id),
        box.score,
        corners,
        tuple((x * scale[0], y * scale[1]) for x, y in points),
    )


def _encoded(image: Image.Image, path: Path) -> bytes:
    buffer = io.BytesIO()
    if path.suffix.lower() == ".png":
        image.save(buffer, "PNG")
    else:
        image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()
