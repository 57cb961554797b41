"""What identifying a model finds out: its family, cut and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .graph import Graph
from .model import ONE_TO_MANY, ONE_TO_ONE, Head


@dataclass(frozen=True)
class Identity:
    """The identified family, cut and outputs of a model; the fields are those of `Network`."""

    family: str
    cut_at: tuple[str, ...]
    output_shapes: tuple[tuple[int, ...], ...]
    classes: int
    heads: tuple[Head, ...] = ()
    float_tail: tuple[str, ...] = ()
    assignment: str = ""


def tail_of(graph: Graph, by_stride: Mapping[int, Sequence[str]]) -> tuple[str, ...]:
    """Return all tensors computed from the last convolutions, in a fixed order.

    They stay in BF16: INT8 has one scale a tensor, and there coordinates of hundreds stand beside
    scores below 1, which round to zero.
    """
    return tuple(sorted(graph.computed_from(t for found in by_stride.values() for t in found)))


def assignment_of(graph: Graph, box: str) -> str:
    """Say in which way the heads of a YOLO26 were trained; "" where the file does not tell.

    One-to-one heads give one box an object, and are ranked at most; one-to-many heads need a
    suppression. Ultralytics exports either set, and names the first `one2one_…`.
    """
    if "one2one" in box or (graph.leads_to(box, "TopK") and not _suppressed(graph, box)):
        return ONE_TO_ONE
    decoded = bool(graph.consumers.get(box))
    return ONE_TO_MANY if decoded or "/cv2." in box else ""


def _suppressed(graph: Graph, box: str) -> bool:
    return graph.leads_to(box, "NonMaxSuppression")
