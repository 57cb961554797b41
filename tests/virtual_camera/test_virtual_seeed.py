"""Seeed's own YOLO11n models on photographs, through SSH, sudo and the real TPU simulator."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from planted import CAMERA_PASSWORD

from .conftest import Camera, Reply

pytestmark = pytest.mark.toolchain

BOX = re.compile(
    r"x: ([\d.]+), y: ([\d.]+), w: ([\d.]+), h: ([\d.]+), score: ([\d.]+) target: (\d+)\n"
)

POINT = re.compile(r"^x: ([\d.]+), y: ([\d.]+)$", re.MULTILINE)
LABEL = re.compile(r"^score: ([\d.]+) target: (\d+)$", re.MULTILINE)

BUS, PERSON = 5, 0
GIANT_SCHNAUZER = 197  # of ImageNet's classes
KEYPOINTS = 17
# Where they stand in the letterboxed picture: centres, by eye.
PERSONS = ((0.15, 0.69), (0.26, 0.60), (0.385, 0.585), (0.81, 0.585))


def near(found: tuple[float, ...], place: tuple[float, float]) -> bool:
    return abs(found[0] - place[0]) < 0.03 and abs(found[1] - place[1]) < 0.03


Look = Callable[..., tuple[str, Image.Image]]


@pytest.fixture
def look(
    serve: Callable[..., Camera],
    execute: Callable[..., Reply],
    simulator: str,
    shared: Path,
    tmp_path: Path,
) -> Look:
    """Run one of Seeed's models on a photograph: what was printed, and the picture."""

    def run(task: str, photograph: str, firmware: str = "stock") -> tuple[str, Image.Image]:
        model = shared / "data" / "cvimodels" / f"yolo11n_{task}_cv181x_int8.cvimodel"
        camera = serve(
            tmp_path / "d",
            *("--factory-model", str(model), "--firmware-quirks", firmware),
            libraries=simulator,
        )
        picture, output = f"{camera.root}/userdata/in.jpg", f"{camera.root}/userdata/Out.jpg"
        command = [
            str(camera.runner),
            f"{camera.root}/userdata/Models/model.cvimodel",
            picture,
            output,
        ]
        client = camera.connect()
        drawn = io.BytesIO()
        with client.open_sftp() as sftp:
            sftp.put(str(shared / "data" / "images" / photograph), picture)
            reply = execute(
                client,
                f"LD_LIBRARY_PATH={shlex.quote(camera.library_path)} sudo -S "
                + shlex.join(command),
                f"{CAMERA_PASSWORD}\n".encode(),
                timeout=300,
            )
            assert reply.code == 0, reply
            sftp.getfo(output, drawn)
        client.close()
        assert re.search(r"I pre: \d+ms, infer: \d+ms, post: \d+ms", reply.out)
        with Image.open(drawn) as image:
            assert image.format == "JPEG"
            return reply.out.replace("\r", ""), image.convert("RGB")

    return run


def boxes(printed: str, target: int) -> list[tuple[float, ...]]:
    rows = [tuple(map(float, groups)) for groups in BOX.findall(printed)]
    return [row for row in rows if row[5] == target]


def standing(persons: list[tuple[float, ...]]) -> list[tuple[float, float]]:
    """The places at which someone was found."""
    return [place for place in PERSONS if any(near(row, place) for row in persons)]


@pytest.mark.parametrize("firmware", ["stock", "mended"])
def test_the_bus_and_its_people_are_found(look: Look, firmware: str) -> None:
    printed, image = look("detection", "bus.jpg", firmware)
    persons = boxes(printed, PERSON)
    (bus,) = boxes(printed, BUS)
    assert near(bus, (0.5, 0.447))
    # One scale for another: the stock decoder makes this bus less certain.
    assert bus[4] == pytest.approx(0.932 if firmware == "mended" else 0.786, abs=0.002)
    assert len(standing(persons)) >= 3
    assert len(persons) <= len(PERSONS)
    assert image.size == (640, 640)


def test_the_people_before_the_bus_are_found_with_their_joints(look: Look) -> None:
    printed, image = look("pose", "bus.jpg")
    assert "model type: 10" in printed
    persons = boxes(printed, PERSON)
    assert len(persons) == len(PERSONS)
    assert len(standing(persons)) >= 3
    scores = [row[4] for row in persons]
    assert scores == sorted(scores)
    points = [tuple(map(float, groups)) for groups in POINT.findall(printed)]
    assert len(points) == KEYPOINTS * len(persons)
    # The man in the light coat, last of all: nose above hips above ankles.
    nose, hip, ankle = (points[-KEYPOINTS + joint] for joint in (0, 11, 15))
    assert near(nose, (0.256, 0.412))
    assert nose[1] < hip[1] < ankle[1]
    pixels = np.asarray(image)
    red, green, blue = pixels[round(nose[1] * 640), round(nose[0] * 640)].tolist()
    assert green > 200 > max(red, blue)


def test_the_dog_is_named_by_its_breed(look: Look) -> None:
    printed, image = look("classify", "Dog.jpg")
    assert "model type: 4" in printed
    labels = [(float(score), int(target)) for score, target in LABEL.findall(printed)]
    assert labels[0][0] == pytest.approx(0.408, abs=0.005)
    assert labels[0][1] == GIANT_SCHNAUZER
    assert labels == sorted(labels, reverse=True)
    assert image.size == (224, 224)
