"""Read the class names in a model's metadata."""

from __future__ import annotations

import ast

import onnx

from ..class_names import ordered_names
from ..errors import InputError


def labels_in_metadata(model: onnx.ModelProto) -> tuple[str, ...]:
    """Read the names in the model's `names` metadata, in class order; empty when there are none.

    Ultralytics writes them as a Python dictionary of class number to name. Raises InputError when
    the entry cannot be parsed.
    """
    text = next((p.value for p in model.metadata_props if p.key == "names"), "")
    if not text.strip():
        return ()
    try:
        return ordered_names(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise InputError(
            "the class names in the model's metadata cannot be read",
            "Give them with --labels FILE: one name a line, in class order.",
        ) from error
