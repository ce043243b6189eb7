"""The mean over units in clusters: known values, one unit a cluster, coverage with clusters that differ."""

import numpy as np
import pytest

from sparring.stats.bootstrap import bootstrap_mean
from sparring.stats.clustered import clustered_mean


def test_units_of_their_own_are_an_ordinary_bootstrap() -> None:
    values = np.random.default_rng(0).normal(size=12)
    found = clustered_mean([[value] for value in values], resamples=40_000)
    plain = bootstrap_mean(values, resamples=40_000)
    assert found.estimate == pytest.approx(plain.estimate)
    assert found.ci == pytest.approx(plain.ci, abs=0.02)


def test_units_that_never_differ_have_no_width() -> None:
    found = clustered_mean([[0.5, 0.5], [0.5]], resamples=100)
    assert found.estimate == 0.5
    assert found.ci == (0.5, 0.5)
    assert found.t == (0.5, 0.5)
    assert clustered_mean([[0.1, 0.9]], resamples=100).t is None


def test_the_t_interval_is_students() -> None:
    found = clustered_mean([[1.0], [2.0, 4.0], [5.0]], resamples=100)  # means 1, 3, 5; t(2) at 97.5% is 4.3027
    assert found.t == pytest.approx((3 - 4.3027 * 2 / 3**0.5, 3 + 4.3027 * 2 / 3**0.5), abs=1e-3)


def test_what_a_cluster_shares_widens_the_interval() -> None:
    """Ten units in five clusters that are alike within: as wide as five units, not ten."""
    values = np.random.default_rng(1).normal(size=5)
    pairs = clustered_mean([[value, value] for value in values], resamples=20_000)
    alone = bootstrap_mean(np.repeat(values, 2), resamples=20_000)
    assert np.diff(pairs.ci)[0] > 1.25 * np.diff(alone.ci)[0]
    assert pairs.estimate == pytest.approx(values.mean())


def test_nothing_to_average_is_an_error() -> None:
    with pytest.raises(ValueError, match="one at least"):
        clustered_mean([])
    with pytest.raises(ValueError, match="non-empty"):
        clustered_mean([[1.0], []])
