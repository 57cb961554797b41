"""Class names: once in the manifest, and from there in `model.json` and in the model node.

The node keeps them as one text with commas between (its `classes`), so a name with a comma in it
cannot be told there; `model.json` has a list, and the camera's service prefers that
(sscma-example-sg200x, solutions/sscma-node/main/node/model.cpp, `onCreate`).
"""

from __future__ import annotations

from collections.abc import Sequence


def as_classes(labels: Sequence[str]) -> str:
    """The node's `classes` for these names; a comma within a name becomes a space."""
    return ",".join(" ".join(label.replace(",", " ").split()) for label in labels)


def disagreements(
    manifest: Sequence[str], info: Sequence[str] | None, classes: str | None
) -> tuple[str, ...]:
    """Where the names differ, a line each; none when all agree.

    `manifest` are the artifact's names, `info` the `classes` of the camera's `model.json` (None:
    there is none), `classes` the model node's text (None: there is no such node). A node whose
    `classes` are empty takes those of `model.json`, and so do all others when that has any.
    """
    found = []
    if info is None:
        found.append("the camera has no model.json, so only the model node names the classes")
    elif list(info) != list(manifest):
        found.append(_difference("model.json", info, manifest))
    if classes:
        wanted = as_classes(manifest).split(",") if manifest else []
        there = [name.strip() for name in classes.split(",") if name.strip()]
        if there != [name for name in wanted if name]:
            found.append(_difference("the model node's `classes`", there, wanted))
    elif classes == "" and manifest and not info:
        found.append("neither model.json nor the model node names the classes")
    return tuple(found)


def _difference(where: str, there: Sequence[str], wanted: Sequence[str]) -> str:
    if len(there) != len(wanted):
        return f"{where} has {len(there)} names, and the model {len(wanted)} classes"
    place = next(i for i, (a, b) in enumerate(zip(there, wanted, strict=True)) if a != b)
    return f"{where} calls class {place} {there[place]!r}, and the model {wanted[place]!r}"
