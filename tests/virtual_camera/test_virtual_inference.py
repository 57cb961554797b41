"""`sscma-model` over SSH with sudo: the factory's model in the real TPU simulator, on pictures."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from PIL import Image
from planted import CAMERA_PASSWORD

from .conftest import DEVICE, Camera, run, start

pytestmark = pytest.mark.toolchain

MODEL = DEVICE / "virtual" / "factory" / "model.cvimodel"
SIDE = 320
PICTURES = sorted((DEVICE / "demo" / "test").glob("*.jpg"))[:3]
BOX = re.compile(
    r"x: ([\d.]+), y: ([\d.]+), w: ([\d.]+), h: ([\d.]+), score: ([\d.]+) target: (\d+)\n"
)

Row = tuple[float, ...]


@pytest.fixture(scope="module")
def camera(simulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Camera]:
    """A camera with the factory's model and the simulator, for all pictures."""
    folder = tmp_path_factory.mktemp("camera")
    running = start(folder, simulator, "--factory-model", str(MODEL))
    yield running
    running.stop()


def look(camera: Camera, client: paramiko.SSHClient, source: Path) -> tuple[list[Row], Image.Image]:
    """Run the model on a picture: the boxes that are printed, and the picture that is drawn."""
    model, picture, output = (
        f"{camera.root}/userdata/{name}" for name in ("Models/model.cvimodel", "in.jpg", "Out.jpg")
    )
    command = shlex.join([str(camera.runner), model, picture, output])
    libraries = f"LD_LIBRARY_PATH={shlex.quote(camera.library_path)}"
    drawn = io.BytesIO()
    with client.open_sftp() as sftp:
        sftp.put(str(source), picture)
        password = f"{CAMERA_PASSWORD}\n".encode()
        reply = run(client, f"{libraries} sudo -S {command}", password, timeout=300)
        assert reply.code == 0, reply
        sftp.getfo(output, drawn)
    assert re.search(r"I pre: \d+ms, infer: \d+ms, post: \d+ms", reply.out)
    printed = [tuple(map(float, row)) for row in BOX.findall(reply.out.replace("\r", ""))]
    with Image.open(drawn) as image:
        assert image.format == "JPEG"
        return printed, image.convert("RGB")


def labelled(picture: Path) -> list[Row]:
    """x, y, width, height and class of each shape, as fractions of the letterboxed picture."""
    with Image.open(picture) as image:
        across, down = (side / max(image.size) for side in image.size)
    shapes: list[Row] = []
    for line in picture.with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        kind, x, y, w, h = map(float, line.split())
        left, top = (1 - across) / 2, (1 - down) / 2
        shapes.append((left + x * across, top + y * down, w * across, h * down, kind))
    return shapes


def finds(row: Row, shape: Row) -> bool:
    """Whether it is the shape's class, and its box within 3 % of the picture's side."""
    return row[5] == shape[4] and all(abs(row[i] - shape[i]) < 0.03 for i in range(4))


def test_the_shapes_of_three_pictures_are_found(camera: Camera, client: paramiko.SSHClient) -> None:
    shapes = boxes = matched = 0
    for picture in PICTURES:
        rows, image = look(camera, client, picture)
        assert image.size == (SIDE, SIDE)
        wanted = labelled(picture)
        shapes, boxes = shapes + len(wanted), boxes + len(rows)
        matched += sum(any(finds(row, shape) for row in rows) for shape in wanted)
    assert matched >= 0.9 * shapes > 10
    assert boxes <= 1.1 * shapes
