"""Letterbox generated pictures into arrays, with what is in them, in one file for training.

Run `python -m training.dataset CACHE.npz --count 10000` to fill a cache.
"""

from __future__ import annotations

import argparse
import multiprocessing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from .shapes import SEEDS, SIZES, Label, chance, extremes, picture

INPUT_SIZE = 320
"""Of the bundled model, in pixels."""
MAX_SHAPES = 8
EXTREMES = 4
"""The key points of a shape: its topmost, rightmost, lowest and leftmost point, in this order."""
MASK_STRIDE = 4

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

_RESAMPLINGS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BILINEAR,
    Image.Resampling.NEAREST,
    Image.Resampling.BICUBIC,
)
_MIRRORED = [0, 3, 2, 1]
_UPSIDE_DOWN = [2, 1, 0, 3]
_TRANSPOSED = [3, 2, 1, 0]


@dataclass(frozen=True)
class Kind:
    """Choose examples by their side in pixels and the pictures' scale.

    For a classifier, each is cut down to its largest shape.
    """

    size: int = INPUT_SIZE
    scale: float = 1.0
    crops: bool = False


@dataclass(frozen=True)
class Examples:
    """Pictures and the truth about them, s pixels wide; in pixels of the network's input.

    `pixels` [n,s,s,3]; `boxes` [n,8,5] of class and corners, class -1 for none; `points`
    [n,8,4,3] of x, y and visibility of the extremes; `instances` [n,s/4,s/4], for each cell the
    row of `boxes` that is seen there, counted from 1, or 0.
    """

    pixels: Pixels
    boxes: Floats
    points: Floats
    instances: Pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def chosen(self, indices: npt.NDArray[np.int64]) -> Examples:
        """Return the examples at `indices`."""
        return Examples(
            self.pixels[indices],
            self.boxes[indices],
            self.points[indices],
            self.instances[indices],
        )


@dataclass(frozen=True)
class Letterbox:
    """Scale and padding, in pixels of the network's input, of a letterboxed picture."""

    scale: float
    left: int
    top: int


def letterbox(
    image: Image.Image,
    size: int,
    resampling: Image.Resampling = Image.Resampling.BILINEAR,
) -> tuple[Pixels, Letterbox]:
    """Fit `image` into [size,size,3], centred on zeros, keeping its aspect ratio."""
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    fit = Letterbox(scale, (size - width) // 2, (size - height) // 2)
    canvas = np.zeros((size, size, 3), np.uint8)
    resized = np.asarray(image.resize((width, height), resampling))
    canvas[fit.top : fit.top + height, fit.left : fit.left + width] = resized
    return canvas, fit


def crop(image: Image.Image, labels: list[Label], seed: int) -> tuple[Image.Image, Label]:
    """Cut a square round the largest shape, with a margin by the seed, within the picture."""
    label = max(labels, key=area)
    margin = float(np.random.default_rng(seed).uniform(1.05, 1.7))
    half = max(label.right - label.left, label.bottom - label.top) * margin / 2
    x, y = (label.left + label.right) / 2, (label.top + label.bottom) / 2
    left, top = max(0, round(x - half)), max(0, round(y - half))
    right, bottom = min(image.width, round(x + half)), min(image.height, round(y + half))
    moved = replace(
        label,
        left=label.left - left,
        right=label.right - left,
        top=label.top - top,
        bottom=label.bottom - top,
        outline=label.outline - (left, top),
    )
    return image.crop((left, top, right, bottom)), moved


def area(label: Label) -> float:
    """Return the square pixels of a shape's box."""
    return (label.right - label.left) * (label.bottom - label.top)


def example(seed: int, kind: Kind) -> Examples:
    """Make one training example, a batch of one.

    The way of resizing varies, as it does between runtimes.
    """
    width, height = SIZES[seed % len(SIZES)]
    scaled = (round(width * kind.scale), round(height * kind.scale))
    image, labels = picture(seed, None if kind.scale == 1 else scaled)
    if kind.crops and labels:
        image, label = crop(image, labels, seed)
        labels = [label]
    pixels, fit = letterbox(image, kind.size, _RESAMPLINGS[seed % len(_RESAMPLINGS)])
    boxes = np.zeros((MAX_SHAPES, 5), np.float32)
    boxes[:, 0] = -1
    points = np.zeros((MAX_SHAPES, EXTREMES, 3), np.float32)
    moved = np.array([fit.left, fit.top])
    for row, label in enumerate(labels):
        corners = np.array([[label.left, label.top], [label.right, label.bottom]])
        boxes[row, 0] = label.class_id
        boxes[row, 1:] = (corners * fit.scale + moved).ravel()
        points[row] = extremes(label, image.size)
        points[row, :, :2] = points[row, :, :2] * fit.scale + moved
    instances = _instances(labels, fit, kind.size)
    return Examples(pixels[None], boxes[None], points[None], instances[None])


def _instances(labels: list[Label], fit: Letterbox, size: int) -> Pixels:
    """Draw every shape with its number; a later one hides what lies below it."""
    canvas = Image.new("L", (size, size))
    draw = ImageDraw.Draw(canvas)
    for number, label in enumerate(labels, 1):
        outline = label.outline * fit.scale + (fit.left, fit.top)
        draw.polygon(outline.ravel().tolist(), fill=number)
    middle = MASK_STRIDE // 2
    return np.asarray(canvas)[middle::MASK_STRIDE, middle::MASK_STRIDE]


def build(path: Path, first: int, count: int, kind: Kind, processes: int) -> None:
    """Generate `count` examples from seed `first` on and save them to `path`."""
    cells = kind.size // MASK_STRIDE
    kept = Examples(
        np.empty((count, kind.size, kind.size, 3), np.uint8),
        np.empty((count, MAX_SHAPES, 5), np.float32),
        np.empty((count, MAX_SHAPES, EXTREMES, 3), np.float32),
        np.empty((count, cells, cells), np.uint8),
    )
    with multiprocessing.Pool(processes) as pool:
        seeds = range(first, first + count)
        made = pool.imap(partial(example, kind=kind), seeds, chunksize=32)
        for index, one in enumerate(made):
            kept.pixels[index], kept.boxes[index] = one.pixels[0], one.boxes[0]
            kept.points[index], kept.instances[index] = one.points[0], one.instances[0]
    with path.open("wb") as stream:
        np.savez(stream, **vars(kept))


def load(path: Path) -> Examples:
    """Load the examples of a cache written by `build`, without those that show no shape."""
    with np.load(path) as arrays:
        every = Examples(*(arrays[name] for name in Examples.__dataclass_fields__))
    return every.chosen(np.flatnonzero(every.boxes[:, 0, 0] >= 0))


def augment(batch: Examples, rng: np.random.Generator) -> Examples:
    """Mirror and transpose a batch at random: a shape keeps its class under all of these."""
    pixels, instances = batch.pixels, batch.instances
    boxes, points = batch.boxes.copy(), batch.points.copy()
    size = pixels.shape[1]
    if chance(rng, 0.5):
        pixels, instances = pixels[:, :, ::-1], instances[:, :, ::-1]
        boxes[..., [1, 3]] = size - boxes[..., [3, 1]]
        points[..., 0] = size - points[..., 0]
        points = points[:, :, _MIRRORED]
    if chance(rng, 0.5):
        pixels, instances = pixels[:, ::-1], instances[:, ::-1]
        boxes[..., [2, 4]] = size - boxes[..., [4, 2]]
        points[..., 1] = size - points[..., 1]
        points = points[:, :, _UPSIDE_DOWN]
    if chance(rng, 0.5):
        pixels, instances = pixels.transpose(0, 2, 1, 3), instances.transpose(0, 2, 1)
        boxes = boxes[..., [0, 2, 1, 4, 3]]
        points = points[..., [1, 0, 2]][:, :, _TRANSPOSED]
    return Examples(*map(np.ascontiguousarray, (pixels, boxes, points, instances)))


def main() -> None:
    """Fill a cache file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--split", choices=sorted(SEEDS), default="train")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=INPUT_SIZE)
    parser.add_argument("--scale", type=float, default=1.0, help="of the generated pictures")
    parser.add_argument("--crops", action="store_true", help="one shape each")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    kind = Kind(options.size, options.scale, options.crops)
    build(options.cache, SEEDS[options.split], options.count, kind, options.processes)


if __name__ == "__main__":
    main()
