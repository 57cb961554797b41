"""`recam inspect` on a model of another framework: what it says of itself, without loading it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..frameworks import FrameworkModel
    from ..terminal import Terminal

_MOST_NAMES = 12
"""So many names are shown to people; the rest is counted."""


def inspect_foreign(terminal: Terminal, model: FrameworkModel) -> None:
    """Print what is known of a model before it is exported."""
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
        rows.append(("convert", ["would export it to ONNX, and then look at that"]))
    if model.runs_code:
        rows.append(("loading it", ["runs any code that it carries: only if you trust its maker"]))
    terminal.table(
        "",
        ("", "model of another framework"),
        [(name, "\n".join(map(one_line, lines))) for name, lines in rows],
    )


def _lines(value: Any) -> list[str]:
    """A fact for people: tensors a line each, names and numbers in one."""
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    parts = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(parts, list):
        return [str(parts)]
    if parts and all(isinstance(part, dict) for part in parts):
        return [f"{p['name']}, {'×'.join(map(str, p['shape']))} {p['dtype']}" for p in parts]
    more = f", and {len(parts) - _MOST_NAMES} more" if len(parts) > _MOST_NAMES else ""
    return [", ".join(map(str, parts[:_MOST_NAMES])) + more]
