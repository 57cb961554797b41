"""Draw three charts as inline SVG; shapes repeat what the style sheet's colours show."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from ..detection.types import Detection
from .comparison import ComparedPicture, OutputError
from .layers import LayerError
from .text import number, shortened

_Axis: TypeAlias = Callable[[float], float]

_FLOORS = (0.999, 0.99, 0.98, 0.95, 0.9, 0.8, 0.5, 0.0, -1.0)


def cosine_chart(outputs: Sequence[OutputError]) -> str:
    """Draw a line with a dot for the cosine of each output; the axis starts below the least."""
    least = min(output.cosine for output in outputs)
    low = next((floor for floor in _FLOORS if floor <= least), -1.0)
    left, right, row, top = 30, 340, 26, 12
    bottom = top + row * len(outputs)

    def x(value: float) -> float:
        return left + (min(max(value, low), 1.0) - low) / (1 - low) * (right - left)

    parts = [
        f'<svg class="chart" viewBox="0 0 412 {bottom + 44}" role="img" aria-labelledby="c1">'
        f'<title id="c1">Cosine of each output, from {low:g} to 1</title>'
    ]
    for tick in (low + (1 - low) * quarter / 4 for quarter in range(5)):
        parts.append(
            f'<line class="grid" x1="{x(tick):.1f}" y1="{top}" x2="{x(tick):.1f}" y2="{bottom}"/>'
            f'<text class="tick" x="{x(tick):.1f}" y="{bottom + 16}" text-anchor="middle">'
            f"{tick:.6g}</text>"
        )
    parts.append(
        f'<text class="axis" x="{(left + right) / 2}" y="{bottom + 36}" text-anchor="middle">'
        "cosine against the float model</text>"
    )
    for index, output in enumerate(outputs):
        y = top + row * index + row / 2
        parts.append(
            f"<g><title>{shortened(output.name)}: {output.cosine:.6f}</title>"
            f'<text class="tick" x="{left - 10}" y="{y + 4}" text-anchor="end">{index + 1}</text>'
            f'<line class="stem" x1="{left}" y1="{y}" x2="{x(output.cosine):.1f}" y2="{y}"/>'
            f'<circle class="dot" cx="{x(output.cosine):.1f}" cy="{y}" r="6"/>'
            f'<text class="value" x="{right + 14}" y="{y + 4}">{output.cosine:.4f}</text></g>'
        )
    return "".join([*parts, "</svg>"])


def layer_chart(layers: Sequence[LayerError], marked: Sequence[LayerError]) -> str:
    """Draw the error of each layer in the network's order; `marked` layers are numbered."""
    left, right, top, bottom = 52, 1020, 24, 224
    most = max(layer.error for layer in layers)
    steps, high = _steps(most)

    def x(index: int) -> float:
        return left + 12 + index / max(1, len(layers) - 1) * (right - left - 24)

    def y(error: float) -> float:
        return bottom - min(error, high) / high * (bottom - top)

    parts = [
        f'<svg class="chart wide" viewBox="0 0 1040 {bottom + 40}" role="img" '
        'aria-labelledby="c3"><title id="c3">Relative error of each layer, in the order of the '
        f"network, from 0 to {number(100 * most)} %</title>"
    ]
    for step in range(steps + 1):
        tick = high * step / steps
        parts.append(
            f'<line class="grid" x1="{left}" y1="{y(tick):.1f}" x2="{right}" y2="{y(tick):.1f}"/>'
            f'<text class="tick" x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">'
            f"{100 * tick:.3g} %</text>"
        )
    parts.append(
        f'<text class="axis" x="{(left + right) / 2}" y="{bottom + 30}" text-anchor="middle">'
        "layers, from the picture to the outputs</text>"
    )
    label = (0.0, 0.0)
    for index, layer in enumerate(layers):
        across, up = x(index), y(layer.error)
        title = f"{shortened(layer.name)}: error {100 * layer.error:.2f} %, {layer.precision}"
        kind = "lossy" if layer in marked else "plain" if layer.precision == "int8" else "exact"
        mark = ""
        if layer in marked:
            # Above its dot, or above the previous number where the two would overlap.
            close = across - label[0] < 18 and abs(up - 10 - label[1]) < 14
            label = (across, label[1] - 14 if close else up - 10)
            mark = (
                f'<text class="value" x="{label[0]:.1f}" y="{label[1]:.1f}" text-anchor="middle">'
                f"{marked.index(layer) + 1}</text>"
            )
        parts.append(
            f'<g><title>{title}</title><line class="stem thin" x1="{across:.1f}" y1="{bottom}" '
            f'x2="{across:.1f}" y2="{up:.1f}"/><circle class="{kind}" cx="{across:.1f}" '
            f'cy="{up:.1f}" r="{5 if mark else 3.5}"/>{mark}</g>'
        )
    return "".join([*parts, "</svg>"])


def _steps(most: float) -> tuple[int, float]:
    """Return how many steps of a round size reach `most`, at most six, and where they end."""
    scale = 10.0 ** math.floor(math.log10(max(most, 1e-6)))
    for size in (0.2, 0.25, 0.5, 1.0, 2.0):
        steps = max(1, math.ceil(most / (size * scale) - 1e-9))
        if steps <= 6:
            return steps, steps * size * scale
    return 5, 10 * scale


def score_chart(pictures: Sequence[ComparedPicture]) -> str:
    """Draw each detection's score in float (across) and on the TPU (up).

    Missed detections are in the strip below, extra ones in the strip on the left.
    """
    scores = [
        detection.score
        for picture in pictures
        for match in (*picture.pairing.matched, *picture.pairing.borderline)
        for detection in match
    ]
    low = 0.1 * int(10 * min([0.4, *scores]))
    left, right, top, bottom, strip = 84, 424, 12, 352, 22

    def x(score: float) -> float:
        return left + (min(max(score, low), 1.0) - low) / (1 - low) * (right - left)

    def y(score: float) -> float:
        return bottom - (x(score) - left)

    parts = [
        '<svg class="chart square" viewBox="0 0 440 432" role="img" aria-labelledby="c2">'
        '<title id="c2">Scores of the float model and on the TPU</title>'
        f'<rect class="strip" x="{left}" y="{bottom + 4}" width="{right - left}" height="{strip}"/>'
        f'<rect class="strip" x="{left - 4 - strip}" y="{top}" width="{strip}" '
        f'height="{bottom - top}"/>'
        f'<line class="even" x1="{left}" y1="{bottom}" x2="{right}" y2="{top}"/>'
    ]
    steps = 5 if low < 0.35 else 3
    for tick in (low + (1 - low) * step / steps for step in range(steps + 1)):
        parts.append(
            f'<line class="grid" x1="{x(tick):.1f}" y1="{top}" x2="{x(tick):.1f}" y2="{bottom}"/>'
            f'<line class="grid" x1="{left}" y1="{y(tick):.1f}" x2="{right}" y2="{y(tick):.1f}"/>'
            f'<text class="tick" x="{x(tick):.1f}" y="{bottom + strip + 20}" '
            f'text-anchor="middle">{tick:.2g}</text>'
            f'<text class="tick" x="{left - strip - 12}" y="{y(tick) + 4:.1f}" '
            f'text-anchor="end">{tick:.2g}</text>'
        )
    middle = (top + bottom) / 2
    parts.append(
        f'<text class="axis" x="{(left + right) / 2}" y="{bottom + strip + 44}" '
        'text-anchor="middle">score of the float model</text>'
        f'<text class="axis" x="14" y="{middle}" text-anchor="middle" '
        f'transform="rotate(-90 14 {middle})">score on the TPU</text>'
    )
    for picture in pictures:
        parts += _marks(picture, x, y, (left - 4 - strip / 2, bottom + 4 + strip / 2))
    return "".join([*parts, "</svg>"])


def _marks(picture: ComparedPicture, x: _Axis, y: _Axis, strips: tuple[float, float]) -> list[str]:
    marks = []
    for kind, matches in (
        ("matched", picture.pairing.matched),
        ("borderline", picture.pairing.borderline),
    ):
        for reference, found in matches:
            title = f"{_title(reference, picture)}: {reference.score:.2f} in float, "
            marks.append(
                f'<circle class="{kind}" cx="{x(reference.score):.1f}" cy="{y(found.score):.1f}" '
                f'r="4.5"><title>{title}{found.score:.2f} on the TPU</title></circle>'
            )
    for missed in picture.pairing.missed:
        across, up = x(missed.score), strips[1]
        marks.append(
            f'<path class="missed" d="M{across - 5:.1f} {up - 5:.1f}l10 10m0 -10l-10 10">'
            f"<title>{_title(missed, picture)}: {missed.score:.2f}, missed</title></path>"
        )
    for extra in picture.pairing.extra:
        across, up = strips[0], y(extra.score)
        marks.append(
            f'<path class="extra" d="M{across:.1f} {up - 6:.1f}l6 11h-12z">'
            f"<title>{_title(extra, picture)}: {extra.score:.2f}, extra</title></path>"
        )
    return marks


def _title(detection: Detection, picture: ComparedPicture) -> str:
    return f"{shortened(detection.label)} in {shortened(picture.name)}"
