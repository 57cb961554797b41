"""Escape and format text for an HTML document."""

from __future__ import annotations

import html
import math


def escaped(text: str) -> str:
    """Escape `text` for an element or a quoted attribute.

    Besides markup, escape characters that are invisible, change the direction of text, or cannot be
    encoded (from a file name that is not UTF-8).
    """
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return html.escape("".join(shown))


def shortened(text: str, longest: int = 120) -> str:
    """Escape a name, and leave out the middle of a long one."""
    if len(text) > longest:
        half = longest // 2
        text = f"{text[:half]} … {text[-half:]}"
    return escaped(text)


def number(value: float) -> str:
    """Format a number with three significant digits, short enough for a table."""
    if not math.isfinite(value):
        return "not finite"
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.2e}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def sizes(shape: tuple[int, ...]) -> str:
    """Format a shape, such as 1×64×40×40."""
    return "×".join(map(str, shape))


def counted(count: int, noun: str) -> str:
    """Format a number with its noun: 1 picture, 2 pictures."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
