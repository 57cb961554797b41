"""Read class names from a user's file; never guess them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .errors import InputError


def read_labels(path: Path) -> tuple[str, ...]:
    """Read class names from a text file (one a line) or a JSON list (.json).

    Raises InputError when the file cannot be read, is empty, or repeats a name.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        names = (
            ordered_names(json.loads(text))
            if path.suffix == ".json"
            else tuple(line.strip() for line in text.splitlines() if line.strip())
        )
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path} cannot be read as class names: {error}",
            "Write one name a line in UTF-8, or a JSON list of names.",
        ) from error
    if not names:
        raise InputError(f"{path} holds no class names", "Write one name a line, in class order.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"{path} names the class {repeated[0]!r} twice", "Each class needs a name of its own."
        )
    return names


def ordered_names(names: Any) -> tuple[str, ...]:
    """Return names in class order, from a list or a dictionary of class number to name.

    Raises ValueError for anything else, and for class numbers with gaps.
    """
    if isinstance(names, dict):
        numbered = {int(number): name for number, name in names.items()}
        if sorted(numbered) != list(range(len(numbered))):
            raise ValueError("class numbers must run from 0 without gaps")
        names = [numbered[number] for number in range(len(numbered))]
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError("names must be a list, or a dictionary of class number to name")
    return tuple(names)
