"""The interval corrected for few units: Hesterberg's table, Welch's interval on normal data, wider than percentile."""

import numpy as np
import pytest
import scipy.stats

from sparring.stats.bootstrap import bootstrap_diff_of_means
from sparring.stats.expanded import expanded_interval


def samples(n_a: int, n_b: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(0.6, 0.1, n_a), rng.normal(0.65, 0.06, n_b)


@pytest.mark.parametrize(("n_a", "n_b"), [(8, 8), (13, 40), (60, 58), (400, 300)])
def test_on_normal_data_it_is_welchs_interval(n_a: int, n_b: int) -> None:
    a, b = samples(n_a, n_b)
    found = bootstrap_diff_of_means(a, b, resamples=200_000)
    welch = scipy.stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    width = welch.high - welch.low
    np.testing.assert_allclose(expanded_interval(found.distribution, a, b), [welch.low, welch.high], atol=0.04 * width)


def test_it_is_wider_than_the_percentile_interval_and_comes_to_it_with_many_units() -> None:
    for n, most in ((6, 2.0), (20, 1.15), (60, 1.06), (2000, 1.01)):
        a, b = samples(n, n, seed=1)
        found = bootstrap_diff_of_means(a, b, resamples=20_000)
        low, high = expanded_interval(found.distribution, a, b)
        ratio = (high - low) / (found.ci[1] - found.ci[0])
        assert 0.995 < ratio < most
        assert n > 60 or ratio > 1


def test_one_unit_or_none_that_differ() -> None:
    found = bootstrap_diff_of_means([0.5], [0.6, 0.8, 0.9])
    assert expanded_interval(found.distribution, [0.5], [0.6, 0.8, 0.9]) == pytest.approx((0.1, 0.4))
    still = bootstrap_diff_of_means([0.25] * 8, [0.75] * 5)
    assert expanded_interval(still.distribution, [0.25] * 8, [0.75] * 5) == (0.5, 0.5)
