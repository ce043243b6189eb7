"""The permutation of the largest t: against a plain loop, its error rate, and what does not vary."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from sparring.stats.max_t import max_t
from sparring.stats.permutation import permutation_p

FIRST = np.arange(20) < 8


def test_is_the_plain_loop() -> None:
    values = np.random.default_rng(0).normal(size=(20, 4))
    values[FIRST, 2] += 1.0

    def t(inside: np.ndarray) -> np.ndarray:
        return np.abs(ttest_ind(values[inside], values[~inside], equal_var=False).statistic)

    rng = np.random.default_rng(3)
    rows = rng.permuted(np.tile(FIRST, (200, 1)), axis=1)
    largest = np.array([t(row).max() for row in rows])
    wanted = [(1 + (largest >= one * (1 - 1e-9)).sum()) / 201 for one in t(FIRST)]
    assert max_t(values, FIRST, permutations=200, seed=3) == pytest.approx(wanted)


def test_of_one_figure_it_is_the_permutation_test() -> None:
    values = np.random.default_rng(1).normal(size=(20, 1))
    values[FIRST] += 0.8
    alone = permutation_p(values[~FIRST, 0], values[FIRST, 0], permutations=4000, seed=0)
    assert max_t(values, FIRST, permutations=4000, seed=0)[0] == pytest.approx(alone, abs=0.02)


def test_a_difference_is_found_among_many_and_none_where_there_is_none() -> None:
    rng = np.random.default_rng(2)
    false = 0
    for trial in range(60):
        values = rng.normal(size=(40, 50)) * rng.uniform(0.1, 9, 50)
        first = np.arange(40) % 2 == 0
        false += bool((max_t(values, first, permutations=199, seed=trial) <= 0.05).any())
    assert false <= 8  # of 60 at 5%: 3 are expected
    values[first, 7] += 2.0 * values[:, 7].std()
    p = max_t(values, first, permutations=999, seed=0)
    assert p[7] <= 0.01
    assert (np.delete(p, 7) > 0.05).all()


def test_what_does_not_vary_is_never_found_and_units_do_not_matter() -> None:
    values = np.random.default_rng(4).normal(size=(20, 3))
    values[:, 1] = 5.0
    p = max_t(values, FIRST, permutations=300, seed=0)
    assert p[1] == 1.0
    scaled = values * np.array([1e6, 1, 1e-6]) + 7
    assert max_t(scaled, FIRST, permutations=300, seed=0) == pytest.approx(p)
    told = np.where(FIRST, 1.0, 2.0)[:, None]
    assert max_t(told, FIRST, permutations=300, seed=0)[0] < 0.01
    with pytest.raises(ValueError, match="two units a group, got 1 and 19"):
        max_t(values, np.arange(20) < 1, permutations=10, seed=0)
