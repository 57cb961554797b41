"""Rank layers by how much accuracy moving them to BF16 wins back.

Errors of different tensors add up like noise, by their squares. A tensor has no error only when the
layer that produces it and all that read it are in BF16. So a layer wins back most beside others in
BF16, and runs of layers rank higher than single ones. For the same cosine this needs fewer layers
than a ranking by each layer's own loss, and fewer casts between INT8 and BF16.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from ..network.runtime import Array

Noise = npt.NDArray[np.float64]

# The order of the norm over outputs: all count, the worst of them by far the most.
_NORM = 4
# The noise of an output that has nothing in common with the expected one.
_MOST = 1e6


def noise_between(expected: Sequence[Array], found: Sequence[Array]) -> float:
    """Compute the ratio of noise to signal power of one output over several pictures.

    It is 1 / cosine² - 1, at most 1e6, and is computed from the differences: these are too small to
    change the cosine itself in float32.
    """
    signal = across = along = 0.0
    for wanted, given in zip(expected, found, strict=True):
        flat = wanted.ravel()
        difference = given.ravel() - flat
        signal += float(flat @ flat)
        along += float(flat @ difference)
        across += float(difference @ difference)
    if signal == 0:
        return _MOST if across else 0.0
    kept = signal + along
    return min(max(0.0, across * signal - along**2) / kept**2, _MOST) if kept > 0 else _MOST


def cosine_of(noise: float) -> float:
    """Convert the ratio of `noise_between` to a cosine."""
    return float(1 / np.sqrt(1 + noise))


def worst_pictures(
    expected: Sequence[Sequence[Array]], found: Sequence[Sequence[Array]], count: int
) -> tuple[int, ...]:
    """Return the numbers of the `count` pictures with the largest share of any output's errors.

    `expected` and `found` are [picture][output].
    """
    errors = np.array(
        [
            [float(np.square(given - wanted).sum()) for wanted, given in zip(*outputs, strict=True)]
            for outputs in zip(expected, found, strict=True)
        ]
    )
    signal = np.array([[float(np.square(o).sum()) for o in outputs] for outputs in expected])
    share = errors / np.maximum(signal.sum(axis=0), np.finfo(float).tiny)
    worst = np.argsort(-share.max(axis=1), kind="stable")[:count]
    return tuple(sorted(worst.tolist()))


def rank_layers(
    noise: Noise,
    source_layers: Sequence[Collection[int]],
    sizes: Sequence[int],
    always: Collection[int] = (),
) -> tuple[int, ...]:
    """Return the numbers of all layers, in the order in which to move them to BF16.

    `noise` is that of each source at each output, [sources, outputs]; `source_layers` are the
    layers of each source; `sizes` are the layers' costs. The layers `always` come first.

    The ranking starts with all layers in BF16 and moves them to INT8, one layer at a time or two
    that share a tensor: each time those that add least noise for their size.
    """
    candidates = _candidates(source_layers, len(sizes))
    members = np.zeros((len(candidates), len(sizes)), bool)
    for number, layers in enumerate(candidates):
        members[number, list(layers)] = True
    touching = np.zeros((len(sizes), len(source_layers)), bool)
    for source, around in enumerate(source_layers):
        touching[list(around), source] = True
    reaching = (members.astype(float) @ touching) > 0
    cost = members @ np.asarray(sizes, float)
    open_ = ~members[:, list(always)].any(axis=1)
    quiet = np.ones(len(source_layers), bool)
    total = np.zeros(noise.shape[1])
    given_up: list[int] = []
    while open_.any():
        then = total + reaching[open_].astype(float) @ (noise * quiet[:, None])
        more = np.linalg.norm(then, _NORM, axis=1) - np.linalg.norm(total, _NORM)
        best = int(np.argmin(more / cost[open_]))
        chosen = int(np.flatnonzero(open_)[best])
        total = then[best]
        given_up += candidates[chosen]
        quiet &= ~reaching[chosen]
        open_ &= ~members[:, list(candidates[chosen])].any(axis=1)
    return (*sorted(always), *reversed(given_up))


def _candidates(source_layers: Sequence[Collection[int]], layers: int) -> list[tuple[int, ...]]:
    """List the layers that may move to INT8 together: each alone, and each two of one source."""
    pairs = {pair for around in source_layers for pair in itertools.combinations(sorted(around), 2)}
    return [*((layer,) for layer in range(layers)), *sorted(pairs)]
