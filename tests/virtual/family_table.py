"""The table of families and precisions in README.md: its cells, and reading and writing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN = "<!-- families: written by tests/virtual/test_family_table.py -->"
END = "<!-- families end -->"
PRECISIONS = ("int8", "mixed", "bf16")
HEAD = "| Model | Camera takes it for | INT8 | mixed | BF16 |"
RULE = "|---|---|---|---|---|"
_BETWEEN = " · "


@dataclass(frozen=True)
class Row:
    """One model in one precision, and what came of it: one cell of the table."""

    model: str
    precision: str
    taken_for: str
    cosine: float
    matched: str
    found: str

    def text(self) -> str:
        """Write it as a cell of the table."""
        return _BETWEEN.join((f"{self.cosine:.4f}", self.matched, self.found))

    @property
    def key(self) -> tuple[str, str]:
        """Return what no other cell has."""
        return self.model, self.precision


def read_rows() -> dict[tuple[str, str], Row]:
    """Read the cells that README.md has."""
    rows = {}
    for line in _section().splitlines()[4:]:
        model, taken_for, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for precision, cell in zip(PRECISIONS, cells, strict=True):
            if cell:
                cosine, matched, found = cell.split(_BETWEEN)
                row = Row(model, precision, taken_for, float(cosine), matched, found)
                rows[row.key] = row
    return rows


def write_row(row: Row, models: Sequence[str]) -> None:
    """Put one cell into README.md, in place of an older one of its key.

    The lines are ordered as `models` are, and others dropped.
    """
    rows = read_rows() | {row.key: row}
    lines = []
    for model in models:
        found = [rows.get((model, precision)) for precision in PRECISIONS]
        names = {cell.taken_for for cell in found if cell}
        cells = (cell.text() if cell else "" for cell in found)
        if names:
            lines.append(f"| {' | '.join((model, *sorted(names), *cells))} |")
    text = README.read_text(encoding="utf-8")
    table = "\n".join((HEAD, RULE, *lines))
    README.write_text(text.replace(_section(), f"\n\n{table}\n"), encoding="utf-8")


def _section() -> str:
    text = README.read_text(encoding="utf-8")
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
