"""Bootstrap intervals over latents.

The published head-to-head (runs `ai-g2-*` of the study in the docs) is an unpaired bootstrap of a difference of means:
10,000 resamples, `np.random.default_rng(0)`, each arm resampled with replacement, percentile interval. It is computed
here number for number as this loop would, in blocks:

    for _ in range(resamples):
        mean(b[rng.integers(0, len(b), len(b))]) - mean(a[rng.integers(0, len(a), len(a))])   # a's rows are drawn first

Beside it stands the bias-corrected and accelerated (BCa) interval of Efron (1987), with the acceleration of two samples
from the jackknife of each (Efron and Tibshirani 1993, section 14; the form scipy.stats.bootstrap uses).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

Vector = NDArray[np.float64]
Interval = tuple[float, float]
_BLOCK_CELLS = 1 << 18  # indices drawn at a time: 2 MB, which stays in the cache


@dataclass(frozen=True)
class Bootstrap:
    """An estimate with its intervals; `bca` is None where it is undefined (all resamples on one side)."""

    estimate: float
    ci: Interval
    bca: Interval | None
    distribution: Vector


def as_sample(values: ArrayLike, *, name: str) -> Vector:
    """`values` as a float64 vector; ValueError if it is empty, not one-dimensional, or not finite."""
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size == 0 or not np.isfinite(sample).all():
        raise ValueError(f"{name} must be a non-empty vector of finite numbers, got shape {sample.shape}")
    return sample


def bootstrap_diff_of_means(
    a: ArrayLike, b: ArrayLike, *, resamples: int = 10_000, seed: int = 0, level: float = 0.95
) -> Bootstrap:
    """mean(b) - mean(a) of two unpaired samples, as published (module docstring), with both intervals."""
    left, right = as_sample(a, name="a"), as_sample(b, name="b")
    distribution = _unpaired_differences(left, right, resamples, np.random.default_rng(seed))
    estimate = float(right.mean() - left.mean())
    # Leaving one of `a` out moves the difference the other way.
    accelerations = _acceleration([-_left_out_means(left), _left_out_means(right)])
    return _summarise(estimate, distribution, accelerations, level)


def bootstrap_mean(values: ArrayLike, *, resamples: int = 10_000, seed: int = 0, level: float = 0.95) -> Bootstrap:
    """The mean of one sample (or of paired differences): the units are resampled with replacement."""
    sample = as_sample(values, name="values")
    rng = np.random.default_rng(seed)
    distribution = np.empty(resamples)
    for start, stop in blocks(resamples, sample.size):
        distribution[start:stop] = sample[rng.integers(0, sample.size, (stop - start, sample.size))].mean(axis=1)
    return _summarise(float(sample.mean()), distribution, _acceleration([_left_out_means(sample)]), level)


def _unpaired_differences(a: Vector, b: Vector, resamples: int, rng: np.random.Generator) -> Vector:
    """The published loop's differences; one row of random indices is one pass of that loop."""
    bounds = np.concatenate([np.full(a.size, a.size), np.full(b.size, b.size)])
    differences = np.empty(resamples)
    for start, stop in blocks(resamples, bounds.size):
        rows = rng.integers(0, bounds, (stop - start, bounds.size))
        differences[start:stop] = b[rows[:, a.size :]].mean(axis=1) - a[rows[:, : a.size]].mean(axis=1)
    return differences


def blocks(resamples: int, width: int) -> list[tuple[int, int]]:
    """Ranges of resamples to draw at once, for `width` numbers a resample."""
    step = max(1, _BLOCK_CELLS // width)
    return [(start, min(start + step, resamples)) for start in range(0, resamples, step)]


def _summarise(estimate: float, distribution: Vector, acceleration: float, level: float) -> Bootstrap:
    bca = _bca(estimate, distribution, acceleration, (100 - 100 * level) / 200)
    return Bootstrap(estimate, percentile_interval(distribution, level), bca, distribution)


def percentile_interval(distribution: Vector, level: float) -> Interval:
    """The interval that cuts equal shares off both ends of the resamples."""
    tail = (100 - 100 * level) / 2  # in percent, where 95 is exact and the cut is 2.5, as published
    low, high = np.percentile(distribution, [tail, 100 - tail])
    return float(low), float(high)


def _left_out_means(sample: Vector) -> Vector:
    """The mean of the sample without its i-th value, for every i (a sample of one has none: its own value)."""
    return sample if sample.size == 1 else (sample.sum() - sample) / (sample.size - 1)


def _acceleration(left_out: list[Vector]) -> float:
    """Skewness of the jackknife influences of all samples over 6; 0 where nothing varies."""
    cubes = squares = 0.0
    for means in left_out:
        influence = (means.size - 1) * (means.mean() - means)
        cubes += float((influence**3).sum()) / means.size**3
        squares += float((influence**2).sum()) / means.size**2
    return 0.0 if squares == 0 else cubes / (6 * squares**1.5)


def _bca(estimate: float, distribution: Vector, acceleration: float, tail: float) -> Interval | None:
    below = (float((distribution < estimate).mean()) + float((distribution <= estimate).mean())) / 2
    bias = ndtri(below)
    if not np.isfinite(bias):
        return None
    z = bias + ndtri(np.array([tail, 1 - tail]))
    low, high = np.quantile(distribution, ndtr(bias + z / (1 - acceleration * z)))
    return float(low), float(high)
