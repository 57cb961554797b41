"""Draw pictures of plain geometric shapes with exact boxes, generated from a seed.

The same seed gives the same picture. Ranges of seeds keep the uses apart: see `SEEDS`.
Run `python -m training.shapes --split test --count 6 FOLDER` to write JPEGs with YOLO labels.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

CLASSES = ("circle", "square", "triangle", "star", "cross")
SEEDS = {"train": 0, "validation": 1_000_000, "calibration": 2_000_000, "test": 3_000_000}
SIZES = ((640, 480), (640, 480), (640, 360), (480, 480), (480, 640), (400, 300), (800, 600))

Colour = tuple[int, int, int]
Points = npt.NDArray[np.float64]
"""x and y in pixels of the picture: [n,2]."""

_SUPERSAMPLING = 3
_MAX_OVERLAP = 0.3
_MIN_CONTRAST = 85.0


@dataclass(frozen=True)
class Label:
    """One shape: class index and its tight box in pixels, clipped to the picture.

    `outline` are the corners of its polygon, which may lie outside the picture.
    """

    class_id: int
    left: float
    top: float
    right: float
    bottom: float
    outline: Points = field(compare=False, repr=False)

    def yolo(self, width: int, height: int, kind: str = "boxes") -> str:
        """Format the label as a line of a YOLO text file for a picture of this size.

        `kind` is "boxes" (class, centre x and y, width, height), "outlines" (class, corners of the
        polygon, moved into the picture) or "points" (class 0, box, the extremes with 2 or 0).
        """
        if kind == "outlines":
            corners = np.clip(self.outline / (width, height), 0, 1).ravel()
            return " ".join([str(self.class_id), *(f"{value:.6f}" for value in corners)])
        values = (
            (self.left + self.right) / 2 / width,
            (self.top + self.bottom) / 2 / height,
            (self.right - self.left) / width,
            (self.bottom - self.top) / height,
        )
        box = [f"{value:.6f}" for value in values]
        if kind == "boxes":
            return " ".join([str(self.class_id), *box])
        points = [
            f"{x / width:.6f} {y / height:.6f} 2" if seen else "0 0 0"
            for x, y, seen in extremes(self, (width, height)).tolist()
        ]
        return " ".join(["0", *box, *points])


def extremes(label: Label, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return the extremes of a shape in a picture of `size`.

    They are [4,3]: x, y, and 1 where the point is visible.
    """
    x, y = label.outline.T
    ends = label.outline[[int(i) for i in (y.argmin(), x.argmax(), y.argmax(), x.argmin())]]
    inside = np.logical_and(ends >= 0, ends <= size).all(1)
    return np.concatenate((ends, inside.reshape(-1, 1)), 1).astype(np.float32)


def picture(seed: int, size: tuple[int, int] | None = None) -> tuple[Image.Image, list[Label]]:
    """Generate the RGB picture of `seed` and its labels.

    `size` (width, height) in pixels replaces the size drawn from `SIZES`.
    """
    rng = np.random.default_rng(seed)
    drawn_size = SIZES[int(rng.integers(len(SIZES)))]
    width, height = size or drawn_size
    image = _background(rng, width, height)
    labels: list[Label] = []
    for _ in range(int(rng.integers(1, 9))):
        label = _place_shape(rng, image, labels)
        if label is not None:
            labels.append(label)
    return _finish(rng, image), labels


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Return True with the given probability."""
    return bool(rng.random() < probability)


def _random_colour(rng: np.random.Generator) -> Colour:
    red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
    return red, green, blue


def _background(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    first, second = (np.array(_random_colour(rng), np.float32) for _ in range(2))
    angle = rng.uniform(0, 2 * math.pi)
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32) * math.cos(angle)
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32) * math.sin(angle)
    ramp = np.clip(across[None, :] + down[:, None] + 0.5, 0, 1)[..., None]
    strength = rng.uniform(0.0, 0.8)
    image = Image.fromarray((first + (second - first) * ramp * strength).astype(np.uint8))
    kind = rng.choice(["plain", "cloud", "blobs", "lines"])
    if kind == "cloud":
        cells = int(rng.integers(3, 24))
        coarse = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        cloud = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        image = Image.blend(image, cloud, rng.uniform(0.1, 0.35))
    elif kind == "blobs":
        image = _blobs(rng, image)
    elif kind == "lines":
        _lines(rng, image)
    return image


def _blobs(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Draw soft patches without an edge, so that colour alone does not make a shape."""
    small = image.resize((image.width // 4, image.height // 4))
    layer = small.copy()
    draw = ImageDraw.Draw(layer)
    for _ in range(int(rng.integers(3, 10))):
        x, y = rng.uniform(0, small.width), rng.uniform(0, small.height)
        rx, ry = rng.uniform(8, 40, 2)
        draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=_random_colour(rng))
    layer = layer.filter(ImageFilter.GaussianBlur(rng.uniform(7, 14)))
    return Image.blend(small, layer, rng.uniform(0.3, 0.7)).resize(
        image.size, Image.Resampling.BICUBIC
    )


def _lines(rng: np.random.Generator, image: Image.Image) -> None:
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(2, 9))):
        ends = rng.uniform(0, 1, 4) * np.array([image.width, image.height] * 2)
        draw.line(ends.tolist(), fill=_random_colour(rng), width=int(rng.integers(1, 5)))


def _circle() -> Points:
    angles = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _polygon(corners: int) -> Points:
    angles = np.arange(corners) * 2 * math.pi / corners
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _star() -> Points:
    radii = np.where(np.arange(10) % 2 == 0, 1.0, 0.42)
    return _polygon(10) * radii[:, None]


def _cross() -> Points:
    arm, far = 0.32, 0.95
    quarter = np.array([[far, -arm], [far, arm], [arm, arm]])
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    return np.concatenate([quarter @ np.linalg.matrix_power(turn, k) for k in range(4)])


_OUTLINES: dict[str, Callable[[], Points]] = {
    "circle": _circle,
    "square": lambda: _polygon(4),
    "triangle": lambda: _polygon(3),
    "star": _star,
    "cross": _cross,
}


def _place_shape(rng: np.random.Generator, image: Image.Image, placed: list[Label]) -> Label | None:
    """Draw one shape where it hides little of the others; None when ten tries found no room."""
    class_id = int(rng.integers(len(CLASSES)))
    side = min(image.size)
    for _ in range(10):
        radius = side * math.exp(rng.uniform(math.log(0.045), math.log(0.24)))
        angle = rng.uniform(0, 2 * math.pi)
        rotation = np.array(
            [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
        )
        points = radius * _OUTLINES[CLASSES[class_id]]() @ rotation
        low, high = points.min(axis=0), points.max(axis=0)
        outside = 0.2 if chance(rng, 0.1) else -0.02
        slack = (high - low) * outside
        span = np.array(image.size) + slack - high
        start = -low - slack
        if (span <= start).any():
            continue
        points += rng.uniform(start, span)
        label = _label(class_id, points, image.size)
        if all(_overlap(label, other) <= _MAX_OVERLAP for other in placed):
            _draw_shape(rng, image, points, label)
            return label
    return None


def _label(class_id: int, points: Points, size: tuple[int, int]) -> Label:
    low = np.clip(points.min(axis=0), 0, size)
    high = np.clip(points.max(axis=0), 0, size)
    left, top = (float(side) for side in low)
    right, bottom = (float(side) for side in high)
    return Label(class_id, left, top, right, bottom, points)


def _overlap(a: Label, b: Label) -> float:
    """Return the shared area of two boxes over the area of the smaller."""
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box.right - box.left) * (box.bottom - box.top) for box in (a, b)]
    return width * height / min(areas)


def _draw_shape(rng: np.random.Generator, image: Image.Image, points: Points, label: Label) -> None:
    left, top = math.floor(label.left), math.floor(label.top)
    right, bottom = math.ceil(label.right), math.ceil(label.bottom)
    below = image.crop((left, top, right, bottom))
    colour = _contrasting(rng, np.asarray(below, np.float32))
    fine = (below.width * _SUPERSAMPLING, below.height * _SUPERSAMPLING)
    mask = Image.new("L", fine)
    corners = ((points - (left, top)) * _SUPERSAMPLING).ravel().tolist()
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    fill = Image.new("RGB", below.size, colour)
    if chance(rng, 0.3):
        shade = Image.linear_gradient("L").resize(below.size)
        darker = tuple(int(value * 0.65) for value in colour)
        fill = Image.composite(fill, Image.new("RGB", below.size, darker), shade)
    if chance(rng, 0.25):
        outline = Image.new("L", fine)
        line_width = _SUPERSAMPLING * int(rng.integers(2, 5))
        closed = corners + corners[:4]
        ImageDraw.Draw(outline).line(closed, fill=255, width=line_width, joint="curve")
        edge = Image.new("RGB", below.size, _random_colour(rng))
        fill = Image.composite(edge, fill, outline.resize(below.size, Image.Resampling.BOX))
    small = mask.resize(below.size, Image.Resampling.BOX)
    image.paste(Image.composite(fill, below, small), (left, top))


def _contrasting(rng: np.random.Generator, below: npt.NDArray[np.float32]) -> Colour:
    """Choose a colour far from the mean of what lies below, as far as a few tries find one."""
    mean = below.reshape(-1, 3).mean(axis=0)
    tries = [_random_colour(rng) for _ in range(12)]
    distances = [float(np.linalg.norm(np.array(colour) - mean)) for colour in tries]
    for colour, distance in zip(tries, distances, strict=True):
        if distance >= _MIN_CONTRAST:
            return colour
    return tries[int(np.argmax(distances))]


def _finish(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Add what a camera does: a little blur, noise and a change of exposure."""
    if chance(rng, 0.5):
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.4)))
    pixels = np.asarray(image, np.float32) * rng.uniform(0.75, 1.1)
    if chance(rng, 0.7):
        spread = rng.uniform(2, 12)
        noise = rng.standard_normal(pixels.shape, dtype=np.float32)
        pixels = pixels + noise * spread
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def main() -> None:
    """Write generated pictures as JPEGs, with their labels unless told not to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", choices=sorted(SEEDS), default="test")
    parser.add_argument("--first", type=int, default=0, help="offset into the split's seeds")
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--size", type=int, nargs=2, metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--labels", choices=("boxes", "outlines", "points"), default="boxes")
    parser.add_argument("--no-labels", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for index in range(options.first, options.first + options.count):
        image, labels = picture(
            SEEDS[options.split] + index, tuple(options.size) if options.size else None
        )
        target = options.folder / f"{options.split}-{index:03d}.jpg"
        image.save(target, quality=85)
        if not options.no_labels:
            lines = [label.yolo(*image.size, options.labels) for label in labels]
            target.with_suffix(".txt").write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
