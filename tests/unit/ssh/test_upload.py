"""Upload in chunks, and compress the rest of a file on a slow link."""

from __future__ import annotations

import gzip
import random

import pytest

from recam_deploy.ssh.session import Result
from recam_deploy.ssh.upload import COMPRESS_BELOW, Chunk, upload

PIECE = 32768
SLOW = PIECE / COMPRESS_BELOW * 1.1
FAST = PIECE / COMPRESS_BELOW * 0.9
MODEL = bytes(random.Random(1).choices(range(16), k=3_000_000))
NOISE = random.Random(2).randbytes(3_000_000)


class Camera:
    """Accepts chunks, delays each 32 KiB by so many seconds, and records the chunks."""

    def __init__(self, seconds: float, *, says: str = "gzip\n", there: bytes = b"") -> None:
        self._seconds = seconds
        self._says = says
        self.file = there
        self.parts: list[tuple[int, bool]] = []
        self.received = 0
        self.reported: list[float] = []

    def write(self, chunk: Chunk) -> Result:
        assert chunk.offset == len(self.file)
        self.parts.append((chunk.offset, chunk.compressed))
        came = b""
        data = chunk.input if isinstance(chunk.input, bytes) else b"".join(chunk.input)
        for start in range(0, len(data), PIECE):
            came += data[start : start + PIECE]
            chunk.monitor.on_sent(len(came))
            if chunk.monitor.should_stop(len(data[start : start + PIECE]), self._seconds):
                break
        self.received += len(came)
        self.file += gzip.decompress(came) if chunk.compressed else came
        return Result(0, self._says, "", 0.0)

    def update(
        self, done: float | None = None, total: float | None = None, note: str | None = None
    ) -> None:
        assert done is not None
        assert total is not None
        assert done <= total
        self.reported.append(done)


def uploaded(camera: Camera, data: bytes) -> None:
    upload(data, len(camera.file), camera.write, "uploading", camera)
    assert camera.file == data
    assert camera.reported == sorted(camera.reported)
    assert camera.reported[-1:] in ([], [len(data)])


def test_over_a_fast_link_a_file_is_sent_uncompressed_in_one_chunk() -> None:
    camera = Camera(FAST)
    uploaded(camera, MODEL)
    assert (camera.parts, camera.received) == ([(0, False)], len(MODEL))


def test_over_a_slow_link_the_rest_is_compressed() -> None:
    camera = Camera(SLOW)
    uploaded(camera, MODEL)
    assert camera.parts == [(0, False), (256 * 1024, True)]
    assert camera.received < 0.7 * len(MODEL)


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
    assert [compressed for _, compressed in camera.parts] == [False, True]


def test_incompressible_data_is_not_compressed() -> None:
    camera = Camera(SLOW)
    uploaded(camera, NOISE)
    assert camera.parts == [(0, False)]


def test_a_camera_without_gunzip_gets_the_rest_uncompressed() -> None:
    camera = Camera(SLOW, says="")
    uploaded(camera, MODEL)
    assert camera.parts == [(0, False), (256 * 1024, False)]


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 700_000])
def test_a_short_rest_gets_no_second_chunk(size: int) -> None:
    camera = Camera(SLOW)
    uploaded(camera, MODEL[:size])
    assert camera.parts == [(0, False)]


def test_a_resumed_upload_is_compressed_in_the_same_way() -> None:
    camera = Camera(SLOW, there=MODEL[:1_000_000])
    uploaded(camera, MODEL)
    assert camera.parts == [(1_000_000, False), (1_000_000 + 256 * 1024, True)]
