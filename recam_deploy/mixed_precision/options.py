"""Define the options of the mixed-precision search; the defaults are the compiler's own."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_EXPECTED_COS = 0.99
DEFAULT_MIN_LAYER_COS = 0.99


@dataclass(frozen=True)
class AccuracyGoal:
    """The accuracy that may be lost on labelled pictures; `data` is the digest of these.

    It is in the units of average precision, or of a classifier's share of right answers: 0 to 1.
    """

    max_drop: float
    data: str


@dataclass(frozen=True)
class SearchOptions:
    """Options of the search.

    Layers are moved to BF16 until the outputs' cosine reaches `expected_cos` on `images` pictures,
    or until `max_float_layers` of them are in BF16. With `accuracy`, that decides in place of the
    cosine.

    `by_compiler` searches with `run_qtable`, among the layers whose own similarity is below
    `min_layer_cos`; `global_compare_layers` are compared instead of the outputs. Its similarity is
    0.5 + 0.5 * cosine, and higher than that of the finished cvimodel; see `search`.
    """

    expected_cos: float = DEFAULT_EXPECTED_COS
    images: int = 10
    max_float_layers: int | None = None
    accuracy: AccuracyGoal | None = None
    by_compiler: bool = False
    min_layer_cos: float = DEFAULT_MIN_LAYER_COS
    fp_type: str = "auto"
    global_compare_layers: tuple[str, ...] = ()
    debug_cmd: str = ""
