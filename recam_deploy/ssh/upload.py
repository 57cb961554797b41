"""Upload a file; compress it when the link turns out to be slow.

A model compresses to about 0.7 of its size. Compressing 1 MB takes 15 ms here. On the camera's one
core, decompressing it takes perhaps 50 ms and decrypting it 100 ms: estimated, not measured there,
from AES-GCM in C at 11.5 MiB/s on a SiFive U54 of 1.4 GHz (wolfSSL, pull request 7758). So
compression saves time below some megabytes a second and costs time above. The speed of a link shows
only in use: every upload starts uncompressed, and on a slow link the rest follows compressed, the
way an interrupted upload is resumed.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..progress import Step
from .session import Input, Result, TransferMonitor

COMPRESS_BELOW = 6_000_000  # bytes a second
_JUDGED_BYTES = 256 * 1024  # the speed is measured over the last bytes sent
_WORTHWHILE_BYTES = 512 * 1024  # a smaller rest does not repay a second command
_SAMPLE_BYTES = 64 * 1024
_READ_BYTES = 64 * 1024
_GOOD_RATIO = 0.9
_SLOWEST_BYTES_PER_SECOND = 20_000
_GZIP = 31  # zlib's number for the largest window in gzip's own format


def transfer_seconds(size: int) -> float:
    """Return how many seconds the transfer of `size` bytes may take."""
    return 60 + size / _SLOWEST_BYTES_PER_SECOND


@dataclass(frozen=True)
class Chunk:
    """A part of a file: `size` bytes from byte `offset` on, counted uncompressed.

    `input` are the bytes to send, and `monitor` follows them.
    """

    offset: int
    size: int
    compressed: bool
    input: Input
    monitor: TransferMonitor

    @property
    def form(self) -> str:
        """The form of its bytes, as the scripts name it."""
        return "gzip" if self.compressed else "plain"

    @property
    def seconds(self) -> float:
        """How many seconds it may take."""
        return transfer_seconds(self.size)


def upload(
    data: bytes,
    stored: int,
    write: Callable[[Chunk], Result],
    doing: str,
    step: Step | None = None,
) -> None:
    """Send all of `data` but the first `stored` bytes through `write`, in one chunk or in two.

    `write` runs a script that prints "gzip" where it accepts a compressed chunk; what it raises is
    passed on. `step` shows how many bytes of the file are on the camera. `doing` ("uploading x")
    goes into the error for a lost connection.
    """
    done = stored

    def report(count: int) -> None:
        nonlocal done
        done = count
        if step:
            step.update(done=count, total=len(data))

    rest = data[stored:]
    monitor = TransferMonitor(
        doing, on_sent=lambda count: report(stored + count), should_stop=SlowLink(rest)
    )
    output = write(Chunk(stored, len(rest), False, rest, monitor)).stdout
    if done == len(data):
        return
    offset, rest = done, data[done:]
    if "gzip" in output.split():
        compressed = _compressed(memoryview(rest), offset, report)
        write(Chunk(offset, len(rest), True, compressed, TransferMonitor(doing)))
    else:
        monitor = TransferMonitor(doing, on_sent=lambda count: report(offset + count))
        write(Chunk(offset, len(rest), False, rest, monitor))


class SlowLink:
    """Decides while `data` is sent whether compressing the rest would save time."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = len(data)
        self._last: deque[tuple[int, float]] = deque()
        self._compressible: bool | None = None  # computed when first needed

    def __call__(self, count: int, seconds: float) -> bool:
        """Record `count` sent bytes, which the link delayed for `seconds`; return the decision."""
        self._left -= count
        self._last.append((count, seconds))
        judged = sum(count for count, _ in self._last)
        while judged - self._last[0][0] >= _JUDGED_BYTES:
            judged -= self._last.popleft()[0]
        if judged < _JUDGED_BYTES or self._left < _WORTHWHILE_BYTES:
            return False
        delay = sum(seconds for _, seconds in self._last)
        if judged >= COMPRESS_BELOW * delay:
            return False
        if self._compressible is None:
            self._compressible = _is_compressible(self._data[-self._left :])
        return self._compressible


def _is_compressible(data: bytes) -> bool:
    """Compress a sample from the middle; return whether it gets smaller than _GOOD_RATIO."""
    middle = len(data) // 2
    sample = data[middle : middle + _SAMPLE_BYTES]
    return len(zlib.compress(sample, 1)) < _GOOD_RATIO * len(sample)


def _compressed(data: memoryview, stored: int, report: Callable[[int], None]) -> Iterator[bytes]:
    """Yield `data` in gzip's format, compressed while it is sent.

    `report` gets the number of the file's bytes sent so far, with the `stored` ones before `data`.
    """
    compressor = zlib.compressobj(1, wbits=_GZIP)
    for start in range(0, len(data), _READ_BYTES):
        piece = compressor.compress(data[start : start + _READ_BYTES])
        if piece:
            yield piece
            report(stored + start)
    yield compressor.flush()
    report(stored + len(data))
