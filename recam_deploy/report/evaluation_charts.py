"""Draw the charts of an evaluation: curves as inline SVG, bars and matrix as plain elements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..evaluation.matching import ConfusionMatrix
from .text import shortened

Curves = Sequence[tuple[str, Sequence[float]]]
"""Style classes of a line, and the precision at the recalls 0, 0.01 … 1."""

_MOST_CLASSES = 12
_LONGEST_NAME = 40


@dataclass(frozen=True)
class Bar:
    """A figure of both models, from 0 to 1, or None where there is nothing to measure on."""

    name: str
    note: str
    reference: float | None
    cvimodel: float | None

    @property
    def lost(self) -> float:
        """Return how much less the cvimodel has."""
        return (self.reference or 0.0) - (self.cvimodel or 0.0)


def shown(value: float | None) -> str:
    """Format a figure from 0 to 1 as the command does."""
    return "none" if value is None else f"{value:.4f}"


def precision_chart(title: str, curves: Curves) -> str:
    """Draw precision (up) against recall (across); the first lines are below the others."""
    left, right, top, bottom = 52, 424, 12, 324

    def x(recall: float) -> float:
        return left + recall * (right - left)

    def y(precision: float) -> float:
        return bottom - precision * (bottom - top)

    parts = [
        f'<svg class="chart square" viewBox="0 0 440 376" role="img" aria-label="{title}">'
        f"<title>{title}</title>"
    ]
    for step in range(6):
        tick = step / 5
        parts.append(
            f'<line class="grid" x1="{x(tick):.1f}" y1="{top}" x2="{x(tick):.1f}" y2="{bottom}"/>'
            f'<line class="grid" x1="{left}" y1="{y(tick):.1f}" x2="{right}" y2="{y(tick):.1f}"/>'
            f'<text class="tick" x="{x(tick):.1f}" y="{bottom + 18}" text-anchor="middle">'
            f"{tick:g}</text>"
            f'<text class="tick" x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">'
            f"{tick:g}</text>"
        )
    middle = (top + bottom) / 2
    parts.append(
        f'<text class="axis" x="{(left + right) / 2}" y="{bottom + 42}" text-anchor="middle">'
        "recall</text>"
        f'<text class="axis" x="14" y="{middle}" text-anchor="middle" '
        f'transform="rotate(-90 14 {middle})">precision</text>'
    )
    for kind, precision in curves:
        steps = max(1, len(precision) - 1)
        points = " ".join(
            f"{x(step / steps):.1f},{y(value):.1f}" for step, value in enumerate(precision)
        )
        parts.append(f'<path class="{kind}" d="M{points}"/>')
    return "".join([*parts, "</svg>"])


def bars(rows: Iterable[Bar]) -> str:
    """Draw two bars for each row, with both figures beside them."""
    return f'<dl class="bars">{"".join(map(_bar, rows))}</dl>'


def _bar(row: Bar) -> str:
    note = f"<small>{row.note}</small>" if row.note else ""
    lines = "".join(
        f'<i class="{kind}" style="width:{100 * (value or 0.0):.1f}%"></i>' * (value is not None)
        for kind, value in (("float", row.reference), ("cvimodel", row.cvimodel))
    )
    return (
        f"<dt>{shortened(row.name, _LONGEST_NAME)}{note}</dt>"
        f'<dd class="pair">{lines}</dd>'
        f'<dd class="figures"><span>{shown(row.reference)}</span>{shown(row.cvimodel)}</dd>'
    )


def confusion_table(matrix: ConfusionMatrix, nothing: str) -> str:
    """Draw the matrix with the classes of most mistakes; `nothing` names what is not found."""
    chosen = _worst_classes(matrix)
    names = [shortened(matrix.labels[one], _LONGEST_NAME) for one in chosen]
    left = len(matrix.labels) - len(chosen)
    groups = [[one] for one in chosen]
    if left:
        others = set(range(len(matrix.labels))) - set(chosen)
        groups.append(sorted(others))
        names.append("1 other class" if left == 1 else f"{left} other classes")
    groups.append([len(matrix.labels)])
    head = "".join(f'<th scope="col" title="{name}">{name}</th>' for name in names)
    rows = []
    for place, row in enumerate(groups):
        counts = [
            sum(matrix.counts[marked][found] for marked in row for found in column)
            for column in groups
        ]
        last = place == len(groups) - 1
        name = '<th scope="row" class="nothing">not marked</th>'
        if not last:
            name = f'<th scope="row" title="{names[place]}">{names[place]}</th>'
        mixed = len(row) > 1
        cells = "".join(
            _cell(count, sum(counts), right=found == place, mixed=mixed and found == place)
            for found, count in enumerate(counts)
            if not (last and found == place)
        )
        rows.append(f"<tr>{name}{cells}{'<td></td>' if last else ''}</tr>")
    return (
        '<table class="confusion"><thead><tr><th class="corner">marked \\ found</th>'
        f'{head}<th scope="col" class="nothing">{nothing}</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _cell(count: int, total: int, *, right: bool, mixed: bool) -> str:
    """Colour a count by its share of the marked objects; among other classes both kinds mix."""
    if not count:
        return '<td class="none">0</td>'
    if mixed:
        return f"<td>{count:,}</td>"
    share = 0.12 + 0.48 * count / total
    kind = "right" if right else "wrong"
    return f'<td class="{kind}" style="--share:{share:.2f}">{count:,}</td>'


def _worst_classes(matrix: ConfusionMatrix) -> list[int]:
    """Return the classes of the matrix in their order, at most the twelve of most mistakes."""
    classes = range(len(matrix.labels))
    if len(classes) <= _MOST_CLASSES:
        return list(classes)

    def mistakes(one: int) -> int:
        found = sum(row[one] for row in matrix.counts)
        return sum(matrix.counts[one]) + found - 2 * matrix.counts[one][one]

    return sorted(sorted(classes, key=lambda one: -mistakes(one))[:_MOST_CLASSES])
