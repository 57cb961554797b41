"""Seeed's own YOLO11n on a photograph, through SSH, sudo and the real TPU simulator."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from .conftest import Camera, Reply

pytestmark = pytest.mark.toolchain

LINE = re.compile(
    r"x: ([\d.]+), y: ([\d.]+), w: ([\d.]+), h: ([\d.]+), score: ([\d.]+) target: (\d+)\n"
)

BUS, PERSON = 5, 0
# Where they stand in the letterboxed picture: centres, by eye.
PERSONS = ((0.15, 0.69), (0.26, 0.60), (0.385, 0.585), (0.81, 0.585))


def near(found: tuple[float, ...], place: tuple[float, float]) -> bool:
    return abs(found[0] - place[0]) < 0.03 and abs(found[1] - place[1]) < 0.03


@pytest.mark.parametrize("firmware", ["stock", "mended"])
def test_the_bus_and_its_people_are_found(
    serve: Callable[..., Camera],
    execute: Callable[..., Reply],
    simulator: str,
    shared: Path,
    tmp_path: Path,
    firmware: str,
) -> None:
    model = shared / "data" / "cvimodels" / "yolo11n_detection_cv181x_int8.cvimodel"
    camera = serve(
        tmp_path / "d",
        *("--factory-model", str(model), "--firmware-quirks", firmware),
        libraries=simulator,
    )
    client = camera.connect()
    picture, output = f"{camera.root}/userdata/in.jpg", f"{camera.root}/userdata/Out.jpg"
    drawn = io.BytesIO()
    with client.open_sftp() as sftp:
        sftp.put(str(shared / "data" / "images" / "bus.jpg"), picture)
        reply = execute(
            client,
            f"LD_LIBRARY_PATH={shlex.quote(camera.library_path)} sudo -S "
            + shlex.join(
                [
                    str(camera.runner),
                    f"{camera.root}/userdata/Models/model.cvimodel",
                    picture,
                    output,
                ]
            ),
            b"recamera\n",
            timeout=300,
        )
        assert reply.code == 0, reply
        sftp.getfo(output, drawn)
    client.close()

    rows = [tuple(map(float, groups)) for groups in LINE.findall(reply.out)]
    buses = [row for row in rows if row[5] == BUS]
    persons = [row for row in rows if row[5] == PERSON]
    assert len(buses) == 1
    assert near(buses[0], (0.5, 0.447))
    # One scale for another: the stock decoder makes this bus less certain.
    assert buses[0][4] == pytest.approx(0.932 if firmware == "mended" else 0.786, abs=0.002)
    stood = [place for place in PERSONS if any(near(row, place) for row in persons)]
    assert len(stood) >= 3
    assert len(persons) <= len(PERSONS)
    assert re.search(r"I pre: \d+ms, infer: \d+ms, post: \d+ms", reply.out)
    with Image.open(drawn) as image:
        assert (image.format, image.size) == ("JPEG", (640, 640))
