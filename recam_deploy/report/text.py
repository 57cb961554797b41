"""Text from anywhere, made safe to stand in an HTML document."""

from __future__ import annotations

import html
import math


def escaped(text: str) -> str:
    """`text` for an element or a quoted attribute: no markup, and no character that is invisible,
    turns the direction of writing, or cannot be encoded (as in a file name that is not UTF-8)."""
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return html.escape("".join(shown))


def shortened(text: str, longest: int = 120) -> str:
    """A name, `escaped`, with its middle left out where it is too long to be read."""
    if len(text) > longest:
        half = longest // 2
        text = f"{text[:half]} … {text[-half:]}"
    return escaped(text)


def number(value: float) -> str:
    """A number with three significant digits, short enough for a table."""
    if not math.isfinite(value):
        return "not finite"
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.2e}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def sizes(shape: tuple[int, ...]) -> str:
    """1×64×40×40"""
    return "×".join(map(str, shape))


def counted(count: int, noun: str) -> str:
    """1 picture, 2 pictures"""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
