"""Show the camera the pictures of a folder, one after the other, for ever.

Pictures only: a video would need a decoder, which no light dependency brings.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .layout import SetupError
from .sscma.letterbox import letterbox, read_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT = Path(__file__).resolve().parents[1] / "demo" / "test"
ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
JPEG_QUALITY = 80
HOLD_SECONDS = 2.0


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of the sensor: ``number`` counts up, ``pixels`` is [H, W, 3] RGB."""

    number: int
    pixels: NDArray[np.uint8]

    def fitted(self, width: int, height: int) -> NDArray[np.uint8]:
        """Scaled to fit and centred on black, as every channel of the camera gets it."""
        try:
            return letterbox(self.pixels, width, height)
        except ValueError:  # too narrow for a single pixel: nothing to see
            return np.zeros((height, width, 3), np.uint8)

    def square_in(self, width: int, height: int) -> int:
        """Tell the side of the square around the whole picture when it is fitted into this size.

        It is the longer side wherever the picture is as wide as the camera's sensor sees, 16:9.
        """
        rows, columns = self.pixels.shape[:2]
        side: int = round(min(width / columns, height / rows) * max(columns, rows))
        return side

    def jpeg(self, width: int, height: int) -> bytes:
        """Encode the picture, scaled to fit and centred on black, as a JPEG file.

        Pillow scales it: nobody compares the pixels of a preview, and ``fitted`` takes seconds for
        a large one.
        """
        own_height, own_width = self.pixels.shape[:2]
        scale = min(height / own_height, width / own_width)
        size = max(1, int(own_width * scale)), max(1, int(own_height * scale))
        scaled = Image.fromarray(self.pixels).resize(size, Image.Resampling.BILINEAR)
        canvas = Image.new("RGB", (width, height))
        canvas.paste(scaled, ((width - size[0]) // 2, (height - size[1]) // 2))
        stream = io.BytesIO()
        canvas.save(stream, "JPEG", quality=JPEG_QUALITY)
        return stream.getvalue()


class Pictures:
    """The pictures of ``folder`` in the order of their names, each shown for ``hold`` seconds.

    Raises SetupError when there is none.
    """

    def __init__(self, folder: Path, hold: float) -> None:
        try:
            names = sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS)
        except OSError as error:
            raise SetupError(f"the pictures in {folder}: {error.strerror}") from error
        if not names:
            raise SetupError(f"{folder} holds no pictures ({', '.join(sorted(ENDINGS))})")
        if not hold > 0:
            raise SetupError("a picture must be shown for more than 0 seconds")
        self._files = names
        self._hold = hold
        self._began = time.monotonic()
        self._last: tuple[Path, NDArray[np.uint8]] | None = None

    def now(self) -> NDArray[np.uint8]:
        """Return the picture shown at this moment; black when it cannot be read."""
        index = int((time.monotonic() - self._began) / self._hold) % len(self._files)
        file = self._files[index]
        if self._last is None or self._last[0] != file:
            pixels = read_image(file)
            self._last = (file, np.zeros((480, 640, 3), np.uint8) if pixels is None else pixels)
        return self._last[1]
