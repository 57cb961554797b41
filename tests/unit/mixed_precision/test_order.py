"""Layers stay in BF16 in runs, where errors are worst, and as few tensors of them as possible."""

from __future__ import annotations

import numpy as np
import pytest

from recam_deploy.mixed_precision.order import cosine_of, noise_between, rank_layers, worst_pictures
from recam_deploy.network.float_model import cosine

# A chain of six layers: the first source is the input, the others what each layer makes.
CHAIN = [{0}, {0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}, {5}]


def order(noise: list[float], sizes: list[int] | None = None, **more: set[int]) -> tuple[int, ...]:
    return rank_layers(np.array(noise)[:, None], CHAIN, sizes or [1] * 6, **more)


def test_noise_and_cosine_are_two_words_for_the_same() -> None:
    random = np.random.default_rng(3)
    wanted = [random.normal(0, 1, 500).astype(np.float32) for _ in range(2)]
    found = [values * 1.3 + random.normal(0, 0.4, 500).astype(np.float32) for values in wanted]
    expected = cosine(np.concatenate(wanted), np.concatenate(found))
    assert cosine_of(noise_between(wanted, found)) == pytest.approx(expected, abs=1e-6)


def test_the_least_noise_is_none_and_the_most_is_finite() -> None:
    ones = np.ones(4, np.float32)
    assert noise_between([ones], [ones]) == noise_between([0 * ones], [0 * ones]) == 0
    assert noise_between([0 * ones], [ones]) == noise_between([ones], [-ones]) == 1e6
    assert noise_between([ones], [ones * 0]) == 1e6


def test_a_noisy_tensor_is_kept_by_its_maker_and_its_reader_together() -> None:
    assert set(order([0, 0, 0, 0, 9, 0, 0])[:2]) == {3, 4}


def test_what_lies_between_two_noisy_tensors_is_kept_before_a_noisier_one_alone() -> None:
    """Three layers rid the outputs of two tensors of 5 each; two of one of 6 alone."""
    chosen = order([0, 5, 5, 0, 0, 6, 0])
    assert set(chosen[:3]) == {0, 1, 2}


def test_a_layer_of_many_tensors_has_to_be_worth_them() -> None:
    assert order([4, 0, 0, 0, 0, 0, 4], [1, 1, 1, 1, 1, 1])[0] in (0, 5)
    assert order([4, 0, 0, 0, 0, 0, 4], [1, 1, 1, 1, 1, 3])[0] == 0
    assert order([4, 0, 0, 0, 0, 0, 4], [3, 1, 1, 1, 1, 1])[0] == 5


def test_every_layer_has_its_place_and_the_given_ones_the_first() -> None:
    noise = [1.0, 8, 3, 2, 2, 5, 1]
    assert sorted(order(noise)) == list(range(6))
    assert order(noise, always={4, 2})[:2] == (2, 4)
    assert order(noise, always=set(range(6))) == tuple(range(6))


def test_the_worst_output_decides() -> None:
    """The first layer's errors reach an output that is good, the second's one that is not."""
    noise = np.array([[3.0, 0], [0, 2.0], [0, 10.0]])
    source_layers = [{0}, {1}, {2}]
    assert rank_layers(noise, source_layers, [1, 1, 1]) == (2, 0, 1)
    assert rank_layers(noise[:2], source_layers[:2], [1, 1]) == (0, 1)
    summed = rank_layers(np.array([[3.0, 0], [0, 2.5], [0, 2.5]]), source_layers, [1, 1, 1])
    assert summed[0] in (1, 2)


def test_pictures_are_chosen_by_their_share_of_any_outputs_errors() -> None:
    """The second picture errs most in the large output, the last in the small one."""
    expected = [[np.full(4, 100, np.float32), np.full(4, 1, np.float32)] for _ in range(4)]
    found = [[output.copy() for output in picture] for picture in expected]
    found[0][0] += 1
    found[1][0] += 20
    found[3][1] += 0.4
    assert worst_pictures(expected, found, 1) == (3,)
    assert worst_pictures(expected, found, 2) == (1, 3)
    assert worst_pictures(expected, found, 9) == (0, 1, 2, 3)
