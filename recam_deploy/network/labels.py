"""Class names: from a model's metadata or a file of the user's, never guessed."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import onnx

from ..errors import InputError


def labels_in_metadata(model: onnx.ModelProto) -> tuple[str, ...]:
    """The names in the model's `names` metadata, in class order; empty when there are none.

    Ultralytics writes them as a Python dictionary of class number to name.

    Raises InputError when the entry is there and cannot be understood.
    """
    text = next((p.value for p in model.metadata_props if p.key == "names"), "")
    if not text.strip():
        return ()
    try:
        return _ordered(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise InputError(
            "the class names in the model's metadata cannot be read",
            "Give them with --labels FILE: one name a line, in class order.",
        ) from error


def read_labels(path: Path) -> tuple[str, ...]:
    """Class names from a text file (one a line) or a JSON list (.json).

    Raises InputError when it cannot be read, is empty, or repeats a name.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        names = (
            _ordered(json.loads(text))
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


def _ordered(names: Any) -> tuple[str, ...]:
    if isinstance(names, dict):
        numbered = {int(number): name for number, name in names.items()}
        if sorted(numbered) != list(range(len(numbered))):
            raise ValueError("class numbers must run from 0 without gaps")
        names = [numbered[number] for number in range(len(numbered))]
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError("names must be a list, or a dictionary of class number to name")
    return tuple(names)
