"""The permutation p against every relabelling, and against its own slow loop."""

from itertools import combinations

import numpy as np
import pytest
import scipy.stats

from sparring.stats.permutation import permutation_p


def welch(a, b):
    """|t| by scipy."""
    return abs(scipy.stats.ttest_ind(a, b, equal_var=False).statistic)


def exact_p(a, b):
    """The share of all relabellings whose |t| is at least as large."""
    pooled = np.concatenate([a, b])
    observed = welch(a, b)
    extreme = total = 0
    for chosen in combinations(range(len(pooled)), len(a)):
        inside = np.isin(np.arange(len(pooled)), chosen)
        total += 1
        extreme += welch(pooled[inside], pooled[~inside]) >= observed - 1e-9
    return extreme / total


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_exact_enumeration(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=4), rng.normal(1.0, 1.0, size=5)
    truth = exact_p(a, b)
    noise = np.sqrt(truth * (1 - truth) / 20_000)
    assert permutation_p(a, b, permutations=20_000) == pytest.approx(truth, abs=4 * noise + 1e-4)


def test_exact_where_it_is_known_by_hand():
    # {0, 0} against {1, 1}: 2 of the 6 relabellings are as far apart.
    assert permutation_p([0, 0], [1, 1], permutations=30_000) == pytest.approx(1 / 3, abs=0.01)


def test_is_the_slow_loop_number_for_number():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=17), rng.normal(0.4, 1, size=23)
    pooled, rng = np.concatenate([a, b]), np.random.default_rng(5)
    observed, extreme = welch(a, b), 0
    for _ in range(700):
        shuffled = rng.permutation(pooled)
        extreme += welch(shuffled[:17], shuffled[17:]) >= observed - 1e-9
    assert permutation_p(a, b, permutations=700, seed=5) == (extreme + 1) / 701


def test_is_never_0_and_is_1_without_a_difference():
    assert permutation_p([0.0] * 30, [1.0] * 30, permutations=999) == 1 / 1000
    assert permutation_p([0.1] * 7, [0.1] * 11, permutations=999) == 1
    assert permutation_p([0.1, 0.2, 0.3], [0.3, 0.2, 0.1], permutations=999) == 1


def test_is_two_sided():
    a, b = np.random.default_rng(2).normal(size=(2, 12))
    # Swapping the arms relabels the same pool: the same p but for the draw of relabellings.
    assert permutation_p(a, b) == pytest.approx(permutation_p(b, a), abs=0.02)


def test_p_is_uniform_without_a_difference():
    rng = np.random.default_rng(3)
    found = [permutation_p(*rng.normal(size=(2, 10)), permutations=199, seed=i) for i in range(300)]
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.09


def test_a_small_arm_of_large_spread_is_not_taken_for_a_difference():
    # The plain difference of means rejects here in some 18% of cases: most relabellings spread the small arm's values.
    rng = np.random.default_rng(4)
    arms = [(rng.normal(0, 1, 120), rng.normal(0, 2, 30)) for _ in range(400)]
    found = [permutation_p(*arm, permutations=199, seed=i) for i, arm in enumerate(arms)]
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.08
    plain = []
    for a, b in arms:
        pooled = np.concatenate([a, b])
        shuffled = rng.permuted(np.tile(pooled, (199, 1)), axis=1)
        apart = np.abs(shuffled[:, :120].mean(axis=1) - shuffled[:, 120:].mean(axis=1))
        plain.append((1 + (apart >= abs(a.mean() - b.mean())).sum()) / 200)
    assert np.mean(np.array(plain) <= 0.05) > 0.13


def test_a_single_value_has_no_spread_to_studentise_by():
    with pytest.raises(ValueError, match="two values an arm, got 1 and 5"):
        permutation_p([0.5], [0.1, 0.2, 0.3, 0.4, 0.5])
