"""Trying a model on the camera: its own test binary, its TPU, one picture there and back.

Everything of a run lies in a folder of its own, so that a picture found afterwards is this run's,
whatever the camera's clock says.
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
from typing import Any

from PIL import Image

from .. import cvimodel
from ..artifact import Artifact
from ..detection.draw import draw_detections
from ..detection.letterbox import Letterbox
from ..detection.types import Detection
from ..errors import CameraError, InputError, SmokeTestError
from ..files import copy_atomically, write_atomically
from ..progress import Progress
from .facts import CameraFacts, gather_facts
from .layout import CameraLayout
from .picture import CameraPicture, prepare_picture
from .quoting import RemoteCommand
from .remote import Remote
from .runner_binary import RunnerBinary, RunnerSource
from .scripts import INSTALL_PROGRAM, NEW_RUN
from .sscma_output import RawBox, SscmaOutput, Timings, explain_failure, parse_output
from .work import make_work_folder

_OUTPUT_LIMIT = 32 << 20  # the picture has the model input's size, so far less is normal
_RESERVE_BYTES = 50_000_000


@dataclass(frozen=True)
class RunnerUsed:
    """The test binary of a run; `sha256` is None when it may not be read."""

    path: str
    sha256: str | None
    uploaded: bool


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
    remote: Remote,
    artifact: Artifact,
    image: Path,
    layout: CameraLayout,
    runner_source: RunnerSource,
    output: Path,
    labeled: Path,
    progress: Progress,
    timeout: float = 120.0,
) -> SmokeReport:
    """Run `artifact` on `image` on the camera, and write `output` and `labeled` here.

    `output` is the camera's own picture, `labeled` the original one with class names. The model is
    the active one when that is the artifact's, else it is uploaded for this run alone. `timeout`
    bounds the test binary, in seconds. On any failure both local files stay as they were.

    Raises InputError (picture, paths), SmokeTestError, SudoError, ConnectionFailedError.
    """
    _refuse_paths(image, output, labeled)
    picture = prepare_picture(image)
    target = _input_size(artifact)
    facts = gather_facts(remote, layout)
    with _as_smoke_test_error():
        _refuse_full(facts, artifact, picture)
        make_work_folder(remote, facts, layout)
        used = _ensure_runner(remote, facts, layout, runner_source, progress)
        run = _Run(remote, layout, secrets.token_hex(8), progress)
        with run.folder(), tempfile.TemporaryDirectory() as scratch:
            model = run.model(artifact, facts)
            said = run.execute(PurePosixPath(used.path), model, picture, timeout)
            fetched = run.fetch_output(Path(scratch) / "Out.jpg")
            detections = find_detections(said, artifact, picture, target)
            output.parent.mkdir(parents=True, exist_ok=True)
            copy_atomically(fetched, output)
    labeled.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(labeled, _encoded(draw_detections(picture.original, detections), labeled))
    return SmokeReport(output, labeled, detections, said.timings, used)


@contextlib.contextmanager
def _as_smoke_test_error() -> Iterator[None]:
    """A camera that cannot do what the test needs has failed the test; other kinds stay theirs."""
    try:
        yield
    except CameraError as error:
        if type(error) is CameraError:
            raise SmokeTestError(error.message, error.hint) from error
        raise


def _refuse_paths(image: Path, output: Path, labeled: Path) -> None:
    paths = [path.expanduser().resolve() for path in (image, output, labeled)]
    if len(set(paths)) < len(paths):
        raise InputError(
            f"the picture and the two results must be three files: {image}, {output}, {labeled}",
            "Name another --output.",
        )


def _input_size(artifact: Artifact) -> tuple[int, int]:
    """Width and height of the model's input in pixels."""
    height, width = artifact.input_size
    if not (height and width):
        height, width = cvimodel.read_model(artifact.cvimodel).input_size
    return width, height


def _refuse_full(facts: CameraFacts, artifact: Artifact, picture: CameraPicture) -> None:
    model = 0 if facts.active_sha256 == artifact.sha256 else artifact.size
    needed = model + 2 * len(picture.jpeg) + _RESERVE_BYTES
    free = facts.work.free + facts.work.leftover_bytes
    if free < needed:
        raise SmokeTestError(
            f"not enough space on the camera: {free / 1e6:.1f} MB free on {facts.work.mount}, "
            f"{needed / 1e6:.1f} MB needed",
            "Remove recordings or old models there.",
        )


def _ensure_runner(
    remote: Remote,
    facts: CameraFacts,
    layout: CameraLayout,
    source: RunnerSource,
    progress: Progress,
) -> RunnerUsed:
    binary = source.to_upload(facts.runner_sha256)
    if binary:
        _upload_runner(remote, layout, binary, progress)
        return RunnerUsed(str(layout.runner), binary.sha256, True)
    if facts.runner_sha256 is None:
        raise SmokeTestError(
            f"the camera has no test binary ({layout.runner})",
            "Run `recam runner fetch` once, or give one with --runner.",
        )
    return RunnerUsed(str(layout.runner), facts.runner_sha256 or None, False)


def _upload_runner(
    remote: Remote, layout: CameraLayout, binary: RunnerBinary, progress: Progress
) -> None:
    staged = layout.staged_runner(binary.sha256)
    try:
        with progress.step("Uploading sscma-model", unit="bytes") as step:
            remote.upload(binary.path.read_bytes(), staged, mode=0o755, step=step)
        remote.run(
            RemoteCommand.script(INSTALL_PROGRAM, staged, layout.runner, binary.sha256), timeout=60
        )
    except CameraError:
        with contextlib.suppress(CameraError):
            remote.remove(staged)
        raise


class _Run:
    """One run in a folder of its own on the camera."""

    def __init__(
        self, remote: Remote, layout: CameraLayout, token: str, progress: Progress
    ) -> None:
        self._remote = remote
        self._layout = layout
        self._token = token
        self._folder = layout.run_folder(token)
        self._progress = progress

    @contextlib.contextmanager
    def folder(self) -> Iterator[None]:
        """Make the folder, and remove it in the end, as far as the connection allows."""
        self._remote.run(RemoteCommand.script(NEW_RUN, self._layout.work, self._folder))
        try:
            yield
        finally:
            with contextlib.suppress(CameraError):
                self._remote.remove(self._folder)

    def model(self, artifact: Artifact, facts: CameraFacts) -> PurePosixPath:
        """Where the model lies; uploaded for this run when it is not the active one."""
        if facts.active_sha256 == artifact.sha256:
            return self._layout.active_model
        path = self._layout.run_model(self._token, artifact.sha256)
        with self._progress.step(f"Uploading {artifact.cvimodel.name}", unit="bytes") as step:
            self._remote.upload(artifact.cvimodel.read_bytes(), path, step=step)
        self._check(path, artifact.sha256)
        return path

    def _check(self, path: PurePosixPath, sha256: str) -> None:
        if self._remote.sha256(path) != sha256:
            raise SmokeTestError(
                f"{path.name} arrived damaged on the camera (its sha256 differs)",
                "Run the command again; if it happens again, check the cable and the storage.",
            )

    def execute(
        self, runner: PurePosixPath, model: PurePosixPath, picture: CameraPicture, timeout: float
    ) -> SscmaOutput:
        """Run the test binary as root, which the TPU needs, and read what it prints.

        The library path goes through `env`: a plain SSH command reads no login profile, and what
        sudo keeps of the environment is a matter of each system's sudoers.
        """
        source = self._folder / "in.jpg"
        with self._progress.step("Uploading the picture", unit="bytes") as step:
            self._remote.upload(picture.jpeg, source, step=step)
        command = RemoteCommand.of(
            "env",
            f"LD_LIBRARY_PATH={self._layout.library_path}",
            runner,
            model,
            source,
            self._output,
        )
        with self._progress.step("Running the model on the camera"):
            result = self._remote.sudo(command, timeout=timeout, check=False)
        if not result.ok:
            raise explain_failure(result.exit_status, result.stdout, result.stderr)
        return parse_output(result.stdout, result.stderr)

    @property
    def _output(self) -> PurePosixPath:
        return self._folder / "Out.jpg"

    def fetch_output(self, local: Path) -> Path:
        """Bring the run's picture here, and make sure that it is whole."""
        expected = self._remote.sha256(self._output)
        if expected is None:
            raise SmokeTestError(
                "the test binary ended well, but wrote no picture",
                "The camera's storage may be full; see what else runs there.",
            )
        with self._progress.step("Fetching Out.jpg", unit="bytes") as step:
            self._remote.download(self._output, local, limit=_OUTPUT_LIMIT, step=step)
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
