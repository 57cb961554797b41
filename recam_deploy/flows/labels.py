"""Compare the class names in the manifest, in `model.json` and in the model node.

The node stores them as one text, separated by commas (its `classes`), so a name cannot hold a comma
there. `model.json` has a list, which the camera's service prefers (sscma-example-sg200x,
solutions/sscma-node/main/node/model.cpp, `onCreate`).
"""

from __future__ import annotations

from collections.abc import Sequence


def as_classes(labels: Sequence[str]) -> str:
    """Format names as the node's `classes`; a comma within a name becomes a space."""
    return ",".join(" ".join(label.replace(",", " ").split()) for label in labels)


def disagreements(
    manifest: Sequence[str], info: Sequence[str] | None, classes: str | None
) -> tuple[str, ...]:
    """Return the differences, a line each.

    `manifest` are the artifact's names, `info` the `classes` of the camera's `model.json` (None
    without one), `classes` the model node's text (None without such a node). Where `model.json` has
    names, the node uses them.
    """
    found = []
    if info is None:
        found.append("the camera has no model.json, so only the model node names the classes")
    elif list(info) != list(manifest):
        found.append(_difference("model.json", info, manifest))
    if classes:
        wanted = as_classes(manifest).split(",") if manifest else []
        given = [name.strip() for name in classes.split(",") if name.strip()]
        if given != [name for name in wanted if name]:
            found.append(_difference("the model node's `classes`", given, wanted))
    elif classes == "" and manifest and not info:
        found.append("neither model.json nor the model node names the classes")
    return tuple(found)


def _difference(where: str, given: Sequence[str], wanted: Sequence[str]) -> str:
    if len(given) != len(wanted):
        return f"{where} has {len(given)} names, and the model {len(wanted)} classes"
    index = next(i for i, (a, b) in enumerate(zip(given, wanted, strict=True)) if a != b)
    return f"{where} calls class {index} {given[index]!r}, and the model {wanted[index]!r}"
