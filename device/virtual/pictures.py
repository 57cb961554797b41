"""Show the camera the pictures of a folder and those below it, one after the other, for ever.

Pictures only: a video would need a decoder, which no light dependency brings.
"""

from __future__ import annotations

import io
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .layout import SetupError
from .picture_file import HEIC_ENDINGS, PictureError, endings, heic_remedy, read_frame
from .sscma.letterbox import letterbox

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT = Path(__file__).resolve().parents[1] / "demo" / "test"
JPEG_QUALITY = 80
LABELS = {"labels", "masks", "annotations"}  # of data sets; their pictures are no pictures
log = logging.getLogger(__name__)
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

    Those that cannot be read are passed over, and named in the log. Raises SetupError when there is
    none.
    """

    def __init__(self, folder: Path, hold: float) -> None:
        self._files = _picture_files(folder)
        if not hold > 0:
            raise SetupError("a picture must be shown for more than 0 seconds")
        self._hold = hold
        self._unreadable: dict[Path, str] = {}
        self._last: tuple[Path, NDArray[np.uint8]] | None = None
        if self._frame(0) is None:
            file, reason = next(iter(self._unreadable.items()))
            raise SetupError(f"{folder} holds no picture that can be read; {file}: {reason}")
        self._began = time.monotonic()

    def now(self) -> NDArray[np.uint8]:
        """Return the picture shown at this moment; black when none can be read any more."""
        pixels = self._frame(int((time.monotonic() - self._began) / self._hold))
        return np.zeros((480, 640, 3), np.uint8) if pixels is None else pixels

    def _frame(self, number: int) -> NDArray[np.uint8] | None:
        """Return the picture in this place, or the next readable one; None where none is."""
        for step in range(len(self._files)):
            file = self._files[(number + step) % len(self._files)]
            if self._last is not None and self._last[0] == file:
                return self._last[1]
            if file in self._unreadable:
                continue
            try:
                pixels = read_frame(file)
            except PictureError as error:
                self._unreadable[file] = str(error)
                log.warning("picture %s is passed over: %s", file, error)
                continue
            self._last = (file, pixels)
            return pixels
        return None


def _picture_files(folder: Path) -> list[Path]:
    """List the pictures of a folder and those below it, by name. Raises SetupError."""
    if folder.is_file():  # one picture
        return [folder]
    known, found, others = endings(), [], 0
    seen: set[tuple[int, int]] = set()
    try:
        next(folder.iterdir(), None)
    except (OSError, ValueError) as error:
        raise SetupError(f"the pictures in {folder}: {_words(error)}") from error
    for place, folders, names in os.walk(folder, followlinks=True):
        status = Path(place).stat()
        if (status.st_dev, status.st_ino) in seen:  # a link back
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(f for f in folders if f[0] != "." and f.lower() not in LABELS)
        shown = [Path(place, name) for name in names if not name.startswith(".")]
        found += [file for file in shown if file.suffix.lower() in known]
        others += sum(file.suffix.lower() in HEIC_ENDINGS - known for file in shown)
    if others:
        remedy = heic_remedy()
        if not found:
            raise SetupError(f"{folder} holds {others} HEIC pictures, which are not read: {remedy}")
        log.warning("%d HEIC pictures are passed over: %s", others, remedy)
    if not found:
        raise SetupError(f"{folder} holds no pictures, such as .jpg or .png")
    return sorted(found)


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
