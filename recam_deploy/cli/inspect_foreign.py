"""Run `recam inspect` on a model of another framework, without loading the model."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..frameworks import FrameworkModel
    from ..terminal import Terminal

_MOST_NAMES = 12
"""The most names shown to people; the rest is counted."""


def inspect_foreign(terminal: Terminal, model: FrameworkModel) -> None:
    """Print the facts in the file of a model that has not been exported."""
    from ..terminal import one_line

    refusal = dataclasses.asdict(model.refusal) if model.refusal else None
    if terminal.as_json:
        terminal.result(
            {"kind": model.kind, **model.facts, "runs_code": model.runs_code, "refusal": refusal}
        )
        return
    rows = [("file", [str(model.path)]), ("kind", [model.kind])]
    rows += [(name.replace("_", " "), _lines(value)) for name, value in model.facts.items()]
    if model.refusal:
        rows.append(("convert", ["would refuse it"]))
        rows += [("reason", [model.refusal.reason]), ("hint", [model.refusal.hint])]
    else:
        rows.append(("convert", ["would export it to ONNX, and inspect the result"]))
    if model.runs_code:
        rows.append(("loading it", ["runs any code that it carries: load it only if you trust it"]))
    terminal.table(
        "",
        ("", "model of another framework"),
        [(name, "\n".join(map(one_line, lines))) for name, lines in rows],
    )


def _lines(value: Any) -> list[str]:
    """Format a fact for people: tensors one a line, names and numbers in one line."""
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    parts = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(parts, list):
        return [str(parts)]
    if parts and all(isinstance(part, dict) for part in parts):
        return [f"{p['name']}, {'×'.join(map(str, p['shape']))} {p['dtype']}" for p in parts]
    more = f", and {len(parts) - _MOST_NAMES} more" if len(parts) > _MOST_NAMES else ""
    return [", ".join(map(str, parts[:_MOST_NAMES])) + more]
