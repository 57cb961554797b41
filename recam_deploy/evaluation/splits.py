"""Choose the part of a data set: validation, test or training pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from ..errors import InputError

T = TypeVar("T")

PARTS = ("val", "test", "train")
"""The parts of data sets, the one to measure on first."""

ON_TRAINING_PICTURES = (
    "measured on the training pictures, which the model has seen; on others it finds less"
)

_SPELLED = {
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
    "train": ("train", "training"),
}


def part_named(text: str) -> str:
    """Return the part that a user or a folder names, such as "val" for "valid" or "val2017".

    Any other name is returned as it is.
    """
    plain = re.sub(r"[_-]?\d{4}$", "", text.strip().lower())
    return next((part for part, spelled in _SPELLED.items() if plain in spelled), text.strip())


def choose_part(source: Path, there: Mapping[str, T], split: str | None) -> tuple[str, T]:
    """Return the part `split` of those that are there; without it the first of PARTS.

    `there` must not be empty. Raises InputError where there is no such part.
    """
    wanted = PARTS if split is None else (part_named(split),)
    for part in wanted:
        if part in there:
            return part, there[part]
    if split is None:
        part = next(iter(there))
        return part, there[part]
    raise InputError(
        f"{source} has no part {split[:80]!r}",
        f"Name one of its parts with --split: {', '.join(sorted(there)[:10])}.",
    )


def part_folders(root: Path) -> dict[str, Path]:
    """Return the folders of parts in `root` or its `images`, by part. Raises OSError."""
    found: dict[str, Path] = {}
    for folder in (root, root / "images"):
        if not folder.is_dir():
            continue
        for inner in sorted(folder.iterdir()):
            part = part_named(inner.name)
            if part in PARTS and inner.is_dir():
                found.setdefault(part, inner)
    return found


def notes_on(part: str) -> tuple[str, ...]:
    """Return what a user must know of a part."""
    return (ON_TRAINING_PICTURES,) if part == "train" else ()
