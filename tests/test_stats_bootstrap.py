"""The published bootstrap, number for number, and its BCa sister."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from sparring.stats.bootstrap import bootstrap_diff_of_means, bootstrap_mean


def slow_distribution(a, b, resamples, seed):
    """The published method as one would write it down."""
    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(resamples):
        resampled_a = a[rng.integers(0, len(a), len(a))]
        resampled_b = b[rng.integers(0, len(b), len(b))]
        differences.append(resampled_b.mean() - resampled_a.mean())
    return np.array(differences)


@settings(max_examples=25, deadline=None)
@given(n_a=st.integers(1, 90), n_b=st.integers(1, 90), seed=st.integers(0, 5))
def test_fast_path_is_the_published_loop_number_for_number(n_a, n_b, seed):
    rng = np.random.default_rng(100 + seed)
    a, b = rng.normal(size=n_a), rng.normal(size=n_b)
    slow = slow_distribution(a, b, 200, seed)
    found = bootstrap_diff_of_means(a, b, resamples=200, seed=seed)
    np.testing.assert_array_equal(found.distribution, slow)
    assert found.ci == tuple(np.percentile(slow, [2.5, 97.5]))


def test_blocks_do_not_show():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=700), rng.normal(size=900)  # 163 resamples a block
    found = bootstrap_diff_of_means(a, b, resamples=500)
    np.testing.assert_array_equal(found.distribution, slow_distribution(a, b, 500, 0))


def test_default_is_ten_thousand_resamples_of_seed_0_and_repeats():
    a, b = np.random.default_rng(1).normal(size=(2, 58))
    first, second = bootstrap_diff_of_means(a, b), bootstrap_diff_of_means(a, b)
    assert first.distribution.size == 10_000
    np.testing.assert_array_equal(first.distribution, second.distribution)
    np.testing.assert_array_equal(first.distribution, bootstrap_diff_of_means(a, b, seed=0).distribution)
    assert first.ci != bootstrap_diff_of_means(a, b, seed=1).ci


def test_constant_arms_have_an_interval_of_no_width():
    found = bootstrap_diff_of_means([0.25] * 8, [0.75] * 5)
    assert found.estimate == 0.5
    assert found.ci == found.bca == (0.5, 0.5)


def test_a_shift_moves_the_interval_and_a_swap_mirrors_the_estimate():
    a, b = np.random.default_rng(2).normal(size=(2, 40))
    plain, shifted = bootstrap_diff_of_means(a, b), bootstrap_diff_of_means(a, b + 3)
    np.testing.assert_allclose(shifted.ci, np.array(plain.ci) + 3)
    np.testing.assert_allclose(shifted.bca, np.array(plain.bca) + 3)
    assert bootstrap_diff_of_means(b, a).estimate == -plain.estimate


def test_width_is_that_of_the_normal_theory():
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.6, 0.101, 58), rng.normal(0.65, 0.101, 60)
    low, high = bootstrap_diff_of_means(a, b).ci
    theory = 2 * 1.96 * np.sqrt(a.var() / 58 + b.var() / 60)
    assert (high - low) == pytest.approx(theory, rel=0.03)


@pytest.mark.parametrize("skewed", [False, True])
def test_bca_is_scipys_on_the_same_resamples(skewed):
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=30), rng.exponential(size=22) if skewed else rng.normal(size=22)
    ours = bootstrap_diff_of_means(a, b, resamples=4000)
    theirs = scipy.stats.bootstrap(
        (a, b),
        lambda a, b, axis: b.mean(axis=axis) - a.mean(axis=axis),
        n_resamples=0,
        bootstrap_result=type("Before", (), {"bootstrap_distribution": ours.distribution})(),
        method="BCa",
    )
    np.testing.assert_allclose(ours.bca, theirs.confidence_interval, rtol=1e-10)
    assert (ours.bca != ours.ci) or not skewed


def test_bca_of_one_sample_is_scipys_on_the_same_resamples():
    values = np.random.default_rng(5).exponential(size=25)
    ours = bootstrap_mean(values, resamples=4000)
    theirs = scipy.stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=0,
        bootstrap_result=type("Before", (), {"bootstrap_distribution": ours.distribution})(),
        method="BCa",
    )
    np.testing.assert_allclose(ours.bca, theirs.confidence_interval, rtol=1e-10)


def test_mean_is_the_loop_number_for_number():
    values = np.random.default_rng(6).normal(size=33)
    rng = np.random.default_rng(9)
    slow = np.array([values[rng.integers(0, 33, 33)].mean() for _ in range(300)])
    np.testing.assert_array_equal(bootstrap_mean(values, resamples=300, seed=9).distribution, slow)


def test_what_is_no_sample_is_refused():
    for bad in ([], [[1.0, 2.0]], [1.0, np.nan]):
        with pytest.raises(ValueError, match="non-empty vector of finite numbers"):
            bootstrap_diff_of_means(bad, [1.0, 2.0])


def test_a_one_sided_distribution_has_no_bca():
    # One resample, which misses the mean: the bias correction would be infinite.
    assert bootstrap_mean([0.0, 1.0, 10.0, 100.0], resamples=1).bca is None
