"""How a file is brought to the camera: as it is where the link is fast, else packed.

A model packs to about 0.7 of its size. Packing 1 MB takes 15 ms here. On the camera's one core
unpacking it takes perhaps 50 ms and decrypting it 100 ms: estimated, not measured there, from
AES-GCM in C at 11.5 MiB/s on a SiFive U54 of 1.4 GHz (wolfSSL, pull request 7758). So packing pays
below some megabytes a second, and costs above. Which of the two a link is shows only once it is
used: everything begins as it is, and where the link turns out to be slow the file is gone on with,
packed, as after an interruption.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..progress import Step
from .session import Input, Result, TransferMonitor

PACKING_PAYS_BELOW = 6_000_000  # bytes a second
_JUDGED_BYTES = 256 * 1024  # the last that went out tell how fast the link is
_WORTHWHILE_BYTES = 512 * 1024  # another command costs as much as a few of these
_SAMPLE_BYTES = 64 * 1024
_PIECE_BYTES = 64 * 1024
_GOOD_RATIO = 0.9
_SLOWEST_BYTES_PER_SECOND = 20_000
_GZIP = 31  # zlib's number for the largest window in gzip's own format


def transfer_seconds(size: int) -> float:
    """How long moving `size` bytes may take."""
    return 60 + size / _SLOWEST_BYTES_PER_SECOND


@dataclass(frozen=True)
class Chunk:
    """A stretch of a file to be written from byte `offset` on, of `size` bytes (of the file)."""

    offset: int
    size: int
    packed: bool
    input: Input
    monitor: TransferMonitor

    @property
    def form(self) -> str:
        """What the scripts call it."""
        return "gzip" if self.packed else "plain"

    @property
    def seconds(self) -> float:
        """How long it may take."""
        return transfer_seconds(self.size)


def upload(
    data: bytes,
    there: int,
    write: Callable[[Chunk], Result],
    doing: str,
    step: Step | None = None,
) -> None:
    """Have `write` bring all of `data` but the first `there` bytes, in one part or in two.

    `write` runs a script that prints "gzip" where it could take a packed part; it may raise.
    `step` is told how many bytes of the file are there, `doing` is what a lost connection breaks
    off.
    """
    done = there

    def tell(count: int) -> None:
        nonlocal done
        done = count
        if step:
            step.update(done=count, total=len(data))

    rest = data[there:]
    monitor = TransferMonitor(
        doing, on_sent=lambda count: tell(there + count), should_stop=Pace(rest)
    )
    said = write(Chunk(there, len(rest), False, rest, monitor)).stdout
    if done == len(data):
        return
    before, rest = done, data[done:]
    if "gzip" in said.split():
        packed = _packed(memoryview(rest), before, tell)
        write(Chunk(before, len(rest), True, packed, TransferMonitor(doing)))
    else:
        monitor = TransferMonitor(doing, on_sent=lambda count: tell(before + count))
        write(Chunk(before, len(rest), False, rest, monitor))


class Pace:
    """Whether the link has turned out to be so slow that the rest of `data` is better packed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = len(data)
        self._last: deque[tuple[int, float]] = deque()
        self._packs: bool | None = None  # until it matters

    def __call__(self, count: int, seconds: float) -> bool:
        """`count` more bytes went out, and the link held them up for `seconds`."""
        self._left -= count
        self._last.append((count, seconds))
        judged = sum(count for count, _ in self._last)
        while judged - self._last[0][0] >= _JUDGED_BYTES:
            judged -= self._last.popleft()[0]
        if judged < _JUDGED_BYTES or self._left < _WORTHWHILE_BYTES:
            return False
        held_up = sum(seconds for _, seconds in self._last)
        if judged >= PACKING_PAYS_BELOW * held_up:
            return False
        if self._packs is None:
            self._packs = _packs_well(self._data[-self._left :])
        return self._packs


def _packs_well(data: bytes) -> bool:
    middle = len(data) // 2
    sample = data[middle : middle + _SAMPLE_BYTES]
    return len(zlib.compress(sample, 1)) < _GOOD_RATIO * len(sample)


def _packed(data: memoryview, before: int, tell: Callable[[int], None]) -> Iterator[bytes]:
    """`data` in gzip's format, packed as it goes out; `tell` is told how many bytes of the file,
    `before` of which were there, have gone."""
    packer = zlib.compressobj(1, wbits=_GZIP)
    for start in range(0, len(data), _PIECE_BYTES):
        piece = packer.compress(data[start : start + _PIECE_BYTES])
        if piece:
            yield piece
            tell(before + start)
    yield packer.flush()
    tell(before + len(data))
