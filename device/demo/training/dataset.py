"""Letterboxed arrays of generated pictures, kept in one file for training.

Run `python -m training.dataset CACHE.npz --count 10000` to fill a cache.
"""

from __future__ import annotations

import argparse
import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from .shapes import SEEDS, Label, chance, picture

INPUT_SIZE = 320
MAX_SHAPES = 8

Pixels = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]

_RESAMPLINGS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BILINEAR,
    Image.Resampling.NEAREST,
    Image.Resampling.BICUBIC,
)


@dataclass(frozen=True)
class Letterbox:
    """Scale and padding, in pixels of the network's input, of a letterboxed picture."""

    scale: float
    left: int
    top: int


def letterbox(
    image: Image.Image, resampling: Image.Resampling = Image.Resampling.BILINEAR
) -> tuple[Pixels, Letterbox]:
    """Fit `image` into [320,320,3], centred on zeros, keeping its aspect ratio."""
    scale = INPUT_SIZE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    fit = Letterbox(scale, (INPUT_SIZE - width) // 2, (INPUT_SIZE - height) // 2)
    canvas = np.zeros((INPUT_SIZE, INPUT_SIZE, 3), np.uint8)
    resized = np.asarray(image.resize((width, height), resampling))
    canvas[fit.top : fit.top + height, fit.left : fit.left + width] = resized
    return canvas, fit


def targets(labels: list[Label], fit: Letterbox) -> Boxes:
    """Labels as [8,5] rows of class and corner box in input pixels; class -1 fills the rest."""
    rows = np.zeros((MAX_SHAPES, 5), np.float32)
    rows[:, 0] = -1
    for row, label in zip(rows, labels, strict=False):
        box = np.array([label.left, label.top, label.right, label.bottom]) * fit.scale
        row[0] = label.class_id
        row[1:] = box + np.array([fit.left, fit.top, fit.left, fit.top])
    return rows


def example(seed: int) -> tuple[Pixels, Boxes]:
    """One training example; the way of resizing varies, as it does between runtimes."""
    image, labels = picture(seed)
    pixels, fit = letterbox(image, _RESAMPLINGS[seed % len(_RESAMPLINGS)])
    return pixels, targets(labels, fit)


def build(path: Path, first: int, count: int, processes: int) -> None:
    """Generate `count` examples from seed `first` on and save them to `path`."""
    pixels = np.empty((count, INPUT_SIZE, INPUT_SIZE, 3), np.uint8)
    boxes = np.empty((count, MAX_SHAPES, 5), np.float32)
    with multiprocessing.Pool(processes) as pool:
        examples = pool.imap(example, range(first, first + count), chunksize=32)
        for index, (one_pixels, one_boxes) in enumerate(examples):
            pixels[index], boxes[index] = one_pixels, one_boxes
    with path.open("wb") as stream:
        np.savez(stream, pixels=pixels, boxes=boxes)


def load(path: Path) -> tuple[Pixels, Boxes]:
    """The arrays [n,320,320,3] and [n,8,5] of a cache written by `build`."""
    with np.load(path) as arrays:
        return arrays["pixels"], arrays["boxes"]


def augment(pixels: Pixels, boxes: Boxes, rng: np.random.Generator) -> tuple[Pixels, Boxes]:
    """Mirror and transpose a batch at random: a shape keeps its class under all of these."""
    boxes = boxes.copy()
    if chance(rng, 0.5):
        pixels = pixels[:, :, ::-1]
        boxes[..., [1, 3]] = INPUT_SIZE - boxes[..., [3, 1]]
    if chance(rng, 0.5):
        pixels = pixels[:, ::-1]
        boxes[..., [2, 4]] = INPUT_SIZE - boxes[..., [4, 2]]
    if chance(rng, 0.5):
        pixels = pixels.transpose(0, 2, 1, 3)
        boxes = boxes[..., [0, 2, 1, 4, 3]]
    return np.ascontiguousarray(pixels), boxes


def main() -> None:
    """Fill a cache file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--split", choices=sorted(SEEDS), default="train")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    build(options.cache, SEEDS[options.split], options.count, options.processes)


if __name__ == "__main__":
    main()
