"""In which order layers earn their place in BF16, from what each tensor's errors do to the outputs.

Errors of different tensors add up like noise, by their squares. A tensor is free of them only when
the layer that makes it and all that read it are in BF16: so a layer is worth most beside others
that are already there, and runs of layers are kept rather than single ones. That needs fewer layers
for the same cosine than an order by each layer's own loss, and fewer casts between INT8 and BF16.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from ..network.runtime import Array

Noise = npt.NDArray[np.float64]

# All outputs count, the worst of them by far the most.
_NORM = 4
# What an output without any likeness to its signal is taken for.
_MOST = 1e6


def noise_between(expected: Sequence[Array], found: Sequence[Array]) -> float:
    """The noise in an output by its signal, in squares, over several pictures: 1 / cosine² - 1.

    It is computed from the differences, which are too small for the cosine itself."""
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
    """The cosine of an output with so much noise."""
    return float(1 / np.sqrt(1 + noise))


def hardest(
    expected: Sequence[Sequence[Array]], found: Sequence[Sequence[Array]], count: int
) -> tuple[int, ...]:
    """The numbers of the `count` pictures with the largest share of any output's errors; both hold
    the outputs of each picture."""
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


def keep_order(
    noise: Noise,
    touched: Sequence[Collection[int]],
    sizes: Sequence[int],
    always: Collection[int] = (),
) -> tuple[int, ...]:
    """The numbers of all layers, those to keep in BF16 first at the beginning.

    `noise` is of each source at each output, [sources, outputs]; `touched` are the layers of each
    source; a layer costs its entry of `sizes`. The layers `always` come first.

    From all layers in BF16, one after the other goes to INT8, or two that share a tensor: always
    what adds least noise for its size.
    """
    candidates = _candidates(touched, len(sizes))
    members = np.zeros((len(candidates), len(sizes)), bool)
    for number, layers in enumerate(candidates):
        members[number, list(layers)] = True
    touching = np.zeros((len(sizes), len(touched)), bool)
    for source, around in enumerate(touched):
        touching[list(around), source] = True
    reaching = (members.astype(float) @ touching) > 0
    cost = members @ np.asarray(sizes, float)
    open_ = ~members[:, list(always)].any(axis=1)
    quiet = np.ones(len(touched), bool)
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


def _candidates(touched: Sequence[Collection[int]], layers: int) -> list[tuple[int, ...]]:
    """What can go to INT8 at once: each layer, and each two that share a source."""
    pairs = {pair for around in touched for pair in itertools.combinations(sorted(around), 2)}
    return [*((layer,) for layer in range(layers)), *sorted(pairs)]
