"""A mean over units that lie in clusters: clusters are resampled, and in each drawn one its units.

Concepts of one topic, steered along several coders, share the topic's texts and prompt: they are no independent sample.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from sparring.stats.bootstrap import Interval, Vector, as_sample, blocks, percentile_interval


class ClusteredMean(NamedTuple):
    """The mean over all units with two intervals: bootstrap percentiles, and Student's t over the clusters' means.

    Of few clusters the first is too narrow; the second is as wide as normal ones call for; None of one alone.
    """

    estimate: float
    ci: Interval
    t: Interval | None


def clustered_mean(
    clusters: Sequence[ArrayLike], *, resamples: int = 10_000, seed: int = 0, level: float = 0.95
) -> ClusteredMean:
    """The mean over the units of all `clusters`. ValueError for none, or an empty one."""
    samples = [as_sample(one, name="cluster") for one in clusters]
    if not samples:
        raise ValueError("a mean over clusters needs one at least")
    rng = np.random.default_rng(seed)
    distribution = np.empty(resamples)
    for start, stop in blocks(resamples, sum(sample.size for sample in samples) * len(samples)):
        drawn = rng.integers(0, len(samples), (stop - start, len(samples)))
        sums, counts = np.zeros(stop - start), np.zeros(stop - start)
        for number, sample in enumerate(samples):
            within = sample[rng.integers(0, sample.size, (*drawn.shape, sample.size))].sum(axis=2)
            sums += np.where(drawn == number, within, 0.0).sum(axis=1)
            counts += (drawn == number).sum(axis=1) * sample.size
        distribution[start:stop] = sums / counts
    every = np.concatenate(samples)
    return ClusteredMean(float(every.mean()), percentile_interval(distribution, level), _t_interval(samples, level))


def _t_interval(samples: Sequence[Vector], level: float) -> Interval | None:
    means = np.array([sample.mean() for sample in samples])
    if means.size < 2:
        return None
    half = float(-stdtrit(means.size - 1, (1 - level) / 2) * means.std(ddof=1) / np.sqrt(means.size))
    middle = float(means.mean())
    return middle - half, middle + half
