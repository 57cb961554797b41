"""The order in which the camera's lists come out of a sort.

Source: `std::forward_list::sort` of libstdc++ (`bits/forward_list.tcc`): it merges neighbouring
runs of 1, 2, 4, ... elements and takes from the right one only what comes before the left's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def order_by(keys: NDArray[np.float32], *, descending: bool = False) -> NDArray[np.intp]:
    """List the indexes of `keys` in the order of a stable sort.

    NaN comes neither before nor after anything, so with NaN among the keys the result depends on
    the steps of the merge, and these are taken one by one.
    """
    ranks = -keys if descending else keys
    if not np.isnan(ranks).any():
        return np.argsort(ranks, kind="stable")
    values = ranks.tolist()
    runs = [[index] for index in range(len(values))]
    while len(runs) > 1:
        right_runs = [*runs[1::2], []]  # one more, for a left one without a neighbour
        pairs = zip(runs[::2], right_runs, strict=False)
        runs = [_merge(left, right, values) for left, right in pairs]
    return np.array(runs[0], np.intp)


def _merge(left: list[int], right: list[int], values: list[float]) -> list[int]:
    merged: list[int] = []
    at, other = 0, 0
    while at < len(left) and other < len(right):
        if values[right[other]] < values[left[at]]:
            merged.append(right[other])
            other += 1
        else:
            merged.append(left[at])
            at += 1
    return merged + left[at:] + right[other:]
