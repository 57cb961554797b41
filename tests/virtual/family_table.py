"""The table of families and precisions in README.md: its rows, and reading and writing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN = "<!-- families: written by tests/virtual/test_family_table.py -->"
END = "<!-- families end -->"
HEAD = (
    "| Model | Precision | Converts | Camera takes it for | Least cosine | Detections matched "
    "| Shapes found on the camera |"
)
RULE = "|---|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Row:
    """One model in one precision, and what came of it."""

    model: str
    precision: str
    taken_for: str
    cosine: float
    matched: str
    found: str

    def text(self) -> str:
        """As a line of the table."""
        cells = (self.model, self.precision, "yes", self.taken_for, f"{self.cosine:.4f}")
        return f"| {' | '.join((*cells, self.matched, self.found))} |"

    @property
    def key(self) -> tuple[str, str]:
        """What tells rows apart."""
        return self.model, self.precision


def read_rows() -> dict[tuple[str, str], Row]:
    """The rows that README.md has."""
    rows = {}
    for line in _section().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == HEAD.count("|") - 1 and cells[2] == "yes":
            row = Row(cells[0], cells[1], cells[3], float(cells[4]), cells[5], cells[6])
            rows[row.key] = row
    return rows


def write_row(row: Row, keys: Sequence[tuple[str, str]]) -> None:
    """Put one row into README.md, in place of an older one of its key.

    The rows are ordered as `keys` are, and others dropped.
    """
    rows = read_rows() | {row.key: row}
    lines = "\n".join(rows[key].text() for key in keys if key in rows)
    text = README.read_text(encoding="utf-8")
    README.write_text(text.replace(_section(), f"\n\n{HEAD}\n{RULE}\n{lines}\n"), encoding="utf-8")


def _section() -> str:
    text = README.read_text(encoding="utf-8")
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
