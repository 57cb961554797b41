"""The camera's video as H.264, port 8080 on the camera.

Source: ``CameraNode::threadEntry`` in ``solutions/sscma-node/main/node/camera.cpp``: one picture a
binary message, with start codes. It needs the encoder of the package ``av``; without it the port
stays closed. Every picture here is a key picture, so that one which is dropped spoils no other; and
what the camera sees changes every other second only, so that most of them are sent again as they
are. Players count on the camera's pictures a second: with fewer they come to a halt.
"""

from __future__ import annotations

import importlib.util
from fractions import Fraction
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ..pictures import Frame


def available() -> bool:
    """Tell whether there is an encoder."""
    return importlib.util.find_spec("av") is not None


class Encoder:
    """Make H.264 of one size; both sides must be even."""

    def __init__(self, width: int, height: int, fps: int) -> None:
        import av

        self._size = width, height
        self._codec: Any = av.CodecContext.create("libx264", "w")
        self._codec.width, self._codec.height = width, height
        self._codec.pix_fmt = "yuv420p"
        self._codec.framerate = Fraction(fps, 1)
        self._codec.time_base = Fraction(1, fps)
        self._codec.gop_size = 1
        self._codec.options = {"preset": "ultrafast", "tune": "zerolatency"}
        self._count = 0
        self._last: NDArray[np.uint8] | None = None
        self._units: Iterator[bytes] = iter(())

    def encode(self, frame: Frame) -> bytes:
        """Encode a frame, fitted into the size, as one access unit with its parameter sets."""
        if self._last is None or not np.array_equal(self._last, frame.pixels):
            self._last = frame.pixels
            pixels = frame.fitted(*self._size)
            # Two of them: no key picture may have the number of the one before it.
            self._units = cycle([self._unit(pixels), self._unit(pixels)])
        return next(self._units)

    def _unit(self, pixels: NDArray[np.uint8]) -> bytes:
        import av

        picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        picture.pts = self._count
        self._count += 1
        return b"".join(bytes(packet) for packet in self._codec.encode(picture))
