"""The search for an accuracy finds few layers in few trials, and says when there are none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from recam_deploy.errors import AccuracyError
from recam_deploy.mixed_precision.accuracy import MOST_TRIALS, find_fewest_layers


def falling(needed: int) -> Callable[[int], float]:
    """Lose too much below `needed` layers."""
    return lambda count: 0.0 if count >= needed else 0.5


@pytest.mark.parametrize("needed", [0, 1, 7, 8, 40, 63, 64])
def test_a_short_ranking_is_bisected_to_the_end(needed: int) -> None:
    found = find_fewest_layers(0, 64, falling(needed), 0.01)
    assert needed <= found.count <= needed + 2
    assert len(found.trials) <= MOST_TRIALS


def test_int8_that_is_good_enough_takes_one_trial() -> None:
    found = find_fewest_layers(3, 200, lambda _: 0.01, 0.01)
    assert (found.count, len(found.trials)) == (3, 1)


def test_a_long_ranking_ends_after_the_trials_with_enough_layers() -> None:
    found = find_fewest_layers(0, 1000, falling(111), 0.0)
    assert len(found.trials) == MOST_TRIALS
    assert 111 <= found.count <= 111 + 1000 / 2 ** (MOST_TRIALS - 2)


def test_a_middle_that_is_enough_is_found_where_all_layers_are_not() -> None:
    lost = {0: 0.02, 200: 0.02}
    found = find_fewest_layers(0, 200, lambda count: lost.get(count, 0.0), 0.01)
    assert 0 < found.count <= 100
    assert len(found.trials) <= MOST_TRIALS


def test_the_best_trial_is_named_where_nothing_is_enough() -> None:
    with pytest.raises(AccuracyError, match=r"0\.0200, with 100 layers in BF16, and 0\.01"):
        find_fewest_layers(0, 100, lambda count: 0.03 - count / 10_000, 0.01)


def test_a_network_whose_layers_must_all_be_float_has_one_trial() -> None:
    trials = []

    def lost(count: int) -> float:
        trials.append(count)
        return 1.0

    with pytest.raises(AccuracyError):
        find_fewest_layers(5, 5, lost, 0.01)
    assert trials == [5]
