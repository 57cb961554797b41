"""In which parts a file is brought, and when the rest of it is packed."""

from __future__ import annotations

import gzip
import random

import pytest

from recam_deploy.ssh.session import Result
from recam_deploy.ssh.upload import PACKING_PAYS_BELOW, Chunk, upload

PIECE = 32768
SLOW = PIECE / PACKING_PAYS_BELOW * 1.1
FAST = PIECE / PACKING_PAYS_BELOW * 0.9
MODEL = bytes(random.Random(1).choices(range(16), k=3_000_000))
NOISE = random.Random(2).randbytes(3_000_000)


class Camera:
    """Takes what comes in, each piece held up for so many seconds, and remembers the parts."""

    def __init__(self, seconds: float, *, says: str = "gzip\n", there: bytes = b"") -> None:
        self._seconds = seconds
        self._says = says
        self.file = there
        self.parts: list[tuple[int, bool]] = []
        self.came_in = 0
        self.told: list[float] = []

    def write(self, chunk: Chunk) -> Result:
        assert chunk.offset == len(self.file)
        self.parts.append((chunk.offset, chunk.packed))
        came = b""
        data = chunk.input if isinstance(chunk.input, bytes) else b"".join(chunk.input)
        for start in range(0, len(data), PIECE):
            came += data[start : start + PIECE]
            chunk.monitor.on_sent(len(came))
            if chunk.monitor.should_stop(len(data[start : start + PIECE]), self._seconds):
                break
        self.came_in += len(came)
        self.file += gzip.decompress(came) if chunk.packed else came
        return Result("", 0, self._says, "", 0.0)

    def update(
        self, done: float | None = None, total: float | None = None, note: str | None = None
    ) -> None:
        assert done is not None
        assert total is not None
        assert done <= total
        self.told.append(done)


def brought(camera: Camera, data: bytes) -> None:
    upload(data, len(camera.file), camera.write, "uploading", camera)
    assert camera.file == data
    assert camera.told == sorted(camera.told)
    assert camera.told[-1:] in ([], [len(data)])


def test_over_a_fast_link_a_file_goes_as_it_is_in_one_part() -> None:
    camera = Camera(FAST)
    brought(camera, MODEL)
    assert (camera.parts, camera.came_in) == ([(0, False)], len(MODEL))


def test_over_a_slow_link_the_rest_is_packed() -> None:
    camera = Camera(SLOW)
    brought(camera, MODEL)
    assert camera.parts == [(0, False), (256 * 1024, True)]
    assert camera.came_in < 0.7 * len(MODEL)


def test_a_link_that_becomes_slow_is_found_too() -> None:
    camera = Camera(FAST)
    seconds = iter([0.0] * 40 + [SLOW * 2] * 1000)
    write = camera.write

    def slower(chunk: Chunk) -> Result:
        enough = chunk.monitor.should_stop
        object.__setattr__(
            chunk.monitor, "should_stop", lambda count, _: enough(count, next(seconds))
        )
        return write(chunk)

    upload(MODEL, 0, slower, "uploading")
    assert camera.file == MODEL
    assert [packed for _, packed in camera.parts] == [False, True]


def test_what_does_not_pack_is_not_packed() -> None:
    camera = Camera(SLOW)
    brought(camera, NOISE)
    assert camera.parts == [(0, False)]


def test_a_camera_without_gunzip_gets_the_rest_as_it_is() -> None:
    camera = Camera(SLOW, says="")
    brought(camera, MODEL)
    assert camera.parts == [(0, False), (256 * 1024, False)]


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 700_000])
def test_for_little_no_second_part_is_begun(size: int) -> None:
    camera = Camera(SLOW)
    brought(camera, MODEL[:size])
    assert camera.parts == [(0, False)]


def test_an_interrupted_file_is_gone_on_with_in_the_same_way() -> None:
    camera = Camera(SLOW, there=MODEL[:1_000_000])
    brought(camera, MODEL)
    assert camera.parts == [(1_000_000, False), (1_000_000 + 256 * 1024, True)]
