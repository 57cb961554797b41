"""Trying a model on the camera: its own test binary, its TPU, one picture there and back."""

from __future__ import annotations

import io
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from ...artifact import Artifact
from ...detection.draw import draw_detections
from ...detection.letterbox import Letterbox
from ...detection.types import Detection
from ...errors import InputError, SmokeTestError
from ...files import copy_atomically, write_atomically
from ...progress import Progress
from ...ssh.connection import Connection
from ..checks import RESERVE_BYTES
from ..facts import CameraFacts, gather_facts
from ..paths import CameraPaths
from ..workdir import make_work_folder
from .binary import RunnerSource
from .output import RawBox, SscmaOutput, Timings
from .picture import CameraPicture, prepare_picture
from .runner import (
    RunnerRun,
    RunnerUsed,
    as_smoke_test_error,
    ensure_runner,
    explaining_memory,
    input_size,
)


@dataclass(frozen=True)
class SmokeReport:
    """What came back: the camera's own picture, ours with names, and what was found."""

    output: Path
    labeled: Path
    detections: tuple[Detection, ...]
    timings: Timings | None
    runner: RunnerUsed

    def as_json(self) -> dict[str, Any]:
        """As `test --json` shows it."""
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

    `output` is the camera's own picture, `labeled` the original one with class names. The artifact
    is the file `model` there; without that the active one when it is the artifact's, else it is
    uploaded for this run alone. `timeout` bounds the test binary, in seconds. On any failure both
    local files stay as they were. The caller holds the camera's lock; `facts` are those that it has
    gathered under it, if any.

    Raises InputError (picture, paths), SmokeTestError, SudoError, ConnectionFailedError.
    """
    _refuse_paths(image, output, labeled)
    picture = prepare_picture(image)
    target = input_size(artifact)
    facts = facts or gather_facts(connection, paths)
    with as_smoke_test_error():
        place = model or (paths.active_model if facts.active_sha256 == artifact.sha256 else None)
        _refuse_full(facts, 0 if place else artifact.size, picture)
        make_work_folder(connection, facts, paths)
        used = ensure_runner(connection, facts, paths, runner_source, progress)
        run = RunnerRun(connection, paths, secrets.token_hex(8), progress)
        with run.folder(), tempfile.TemporaryDirectory() as scratch:
            tried = place or run.bring_model(artifact)
            with explaining_memory(artifact, facts):
                said = run.execute(PurePosixPath(used.path), tried, picture.jpeg, timeout)
            fetched = run.fetch_output(Path(scratch) / "Out.jpg")
            detections = find_detections(said, artifact, picture, target)
            drawn = _encoded(draw_detections(picture.original, detections), labeled)
            for path in (output, labeled):
                path.parent.mkdir(parents=True, exist_ok=True)
            copy_atomically(fetched, output)
            write_atomically(labeled, drawn)
    return SmokeReport(output, labeled, detections, said.timings, used)


def _refuse_paths(image: Path, output: Path, labeled: Path) -> None:
    paths = [path.expanduser().resolve() for path in (image, output, labeled)]
    if len(set(paths)) < len(paths):
        raise InputError(
            f"the picture and the two results must be three files: {image}, {output}, {labeled}",
            "Name another --output.",
        )
    for path in (output, labeled):
        if path.is_dir():
            raise InputError(f"{path} is a folder, and a result is to be written there", "Move it.")


def _refuse_full(facts: CameraFacts, model: int, picture: CameraPicture) -> None:
    needed = model + 2 * len(picture.jpeg) + RESERVE_BYTES
    if facts.work.free < needed:
        raise SmokeTestError(
            f"not enough space on the camera: {facts.work.free / 1e6:.1f} MB free on "
            f"{facts.work.mount}, "
            f"{needed / 1e6:.1f} MB needed",
            "Remove recordings or old models there.",
        )


def find_detections(
    said: SscmaOutput, artifact: Artifact, picture: CameraPicture, target: tuple[int, int]
) -> tuple[Detection, ...]:
    """What the camera found, with names, in pixels of the original picture.

    `target` is the model input's (width, height). A classifier's answer covers the whole picture;
    a box that lies wholly in the letterbox's padding is left out.
    """
    letterbox = Letterbox.fit(picture.sent_size, target)
    width, height = picture.original.size
    grown = width / picture.sent_size[0], height / picture.sent_size[1]
    boxes = [_detection(box, artifact, letterbox, grown) for box in said.boxes]
    classes = [
        Detection(c.class_id, artifact.label(c.class_id), c.score, (0.0, 0.0, width, height))
        for c in said.classes
    ]
    seen = [box for box in boxes if box.visible] + classes
    return tuple(sorted(seen, key=lambda found: -found.score))


def _detection(
    box: RawBox, artifact: Artifact, letterbox: Letterbox, grown: tuple[float, float]
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
    corners = (x1 * grown[0], y1 * grown[1], x2 * grown[0], y2 * grown[1])
    points = (letterbox.point_to_source(x * wide, y * high) for x, y in box.keypoints)
    return Detection(
        box.class_id,
        artifact.label(box.class_id),
        box.score,
        corners,
        tuple((x * grown[0], y * grown[1]) for x, y in points),
    )


def _encoded(image: Image.Image, path: Path) -> bytes:
    buffer = io.BytesIO()
    if path.suffix.lower() == ".png":
        image.save(buffer, "PNG")
    else:
        image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()
