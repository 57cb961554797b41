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

Noise = npt.NDArray[np.float64]

# All outputs count, the worst of them by far the most.
_NORM = 4
_LEAST_COSINE = 1e-3


def noise_of(cosine: float) -> float:
    """The noise of an output by its signal, in squares, where the two have this cosine."""
    return 1 / max(cosine, _LEAST_COSINE) ** 2 - 1


def cosine_of(noise: float) -> float:
    """The reverse of `noise_of`."""
    return float(1 / np.sqrt(1 + noise))


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
