"""Spearman's rank correlation of two figures of the same units, within groups, with its bootstrap interval."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from sparring.stats.bootstrap import Vector, as_sample, percentile_interval

_FEWEST = 4  # units of a group below which a rank correlation says nothing


def rank_correlation(
    pairs: Sequence[tuple[Vector, Vector]], *, resamples: int, seed: int, level: float = 0.95
) -> tuple[float, tuple[float, float]] | None:
    """(correlation, interval): of ranks taken, and centred, within each group; units are resampled within groups.

    With one group it is Spearman's rho. Groups of fewer than four units are left out; None where that leaves nothing,
    or where one of the figures does not vary.
    """
    groups = [(as_sample(a, name="first"), as_sample(b, name="second")) for a, b in pairs if len(a) >= _FEWEST]
    if not groups:
        return None
    rng = np.random.default_rng(seed)
    whole = _correlation([(a[None], b[None]) for a, b in groups])[0]
    if not np.isfinite(whole):
        return None
    rows = [rng.integers(0, len(a), (resamples, len(a))) for a, _ in groups]
    drawn = _correlation([(a[row], b[row]) for (a, b), row in zip(groups, rows, strict=True)])
    return float(whole), percentile_interval(drawn[np.isfinite(drawn)], level)


def _correlation(groups: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Vector:
    """One correlation for each row of the groups' matrices [resamples, units]."""
    first, second = (np.hstack([_ranks(group[side]) for group in groups]) for side in (0, 1))
    with np.errstate(invalid="ignore"):
        return np.asarray((first * second).sum(axis=1) / np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1)))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks of each row, centred, in units of the row's length: groups of any size weigh by their units."""
    return np.asarray((rankdata(values, axis=1) - (values.shape[1] + 1) / 2) / values.shape[1], dtype=np.float64)
