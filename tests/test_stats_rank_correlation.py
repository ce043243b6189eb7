"""Rank correlation within groups: Spearman's rho for one, blind to what differs between groups, none where none is."""

import numpy as np
import pytest
import scipy.stats

from sparring.stats.rank_correlation import rank_correlation


def drawn(n: int, rho: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first = rng.normal(size=n)
    return first, rho * first + np.sqrt(1 - rho**2) * rng.normal(size=n)


def correlation(*pairs: tuple[np.ndarray, np.ndarray]) -> tuple[float, tuple[float, float]]:
    found = rank_correlation(pairs, resamples=2000, seed=0)
    assert found is not None
    return found


def test_identity_is_one_and_reversal_minus_one() -> None:
    first, _ = drawn(30, 0.0, 0)
    assert correlation((first, np.exp(first)))[0] == pytest.approx(1.0)
    assert correlation((first, -first))[0] == pytest.approx(-1.0)


@pytest.mark.parametrize("seed", range(5))
def test_of_one_group_it_is_scipys_rho_ties_and_all(seed: int) -> None:
    first, second = (np.round(values, 1) for values in drawn(40, 0.5, seed))
    assert correlation((first, second))[0] == pytest.approx(scipy.stats.spearmanr(first, second).statistic)


def test_the_order_of_units_changes_nothing() -> None:
    first, second = drawn(50, 0.4, 1)
    order = np.random.default_rng(2).permutation(50)
    assert correlation((first[order], second[order]))[0] == pytest.approx(correlation((first, second))[0])


def test_a_difference_between_groups_is_no_correlation() -> None:
    pairs = [drawn(400, 0.0, seed) for seed in (3, 4)]
    apart = [pairs[0], (pairs[1][0] + 10, pairs[1][1] + 10)]
    pooled = scipy.stats.spearmanr(*(np.concatenate(sides) for sides in zip(*apart, strict=True))).statistic
    assert pooled > 0.7
    assert abs(correlation(*apart)[0]) < 0.1


def test_the_interval_covers_the_known_correlation_as_often_as_it_says() -> None:
    truth = 6 / np.pi * np.arcsin(0.6 / 2)  # Spearman's rho of a bivariate normal with r = 0.6
    held = 0
    for seed in range(200):
        low, high = correlation(drawn(60, 0.6, seed + 100))[1]
        held += low <= truth <= high
    assert 0.90 <= held / 200 <= 0.99


def test_too_few_units_or_a_figure_that_does_not_vary_give_none() -> None:
    few = (np.arange(3.0), np.arange(3.0))
    flat = (np.arange(10.0), np.ones(10))
    assert rank_correlation([few], resamples=100, seed=0) is None
    assert rank_correlation([flat], resamples=100, seed=0) is None
