"""The percentile interval corrected for few units (Hesterberg 2015, "What teachers should know about the bootstrap").

A bootstrap resamples the sample, so its spread is that of variances divided by n, and its quantiles are a normal's. Cut
at Phi(-(s / s_boot) t) instead of at 2.5%, it is as wide as Welch's t interval where the distribution is normal, and
keeps its shape where it is not.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, stdtrit

from sparring.stats.bootstrap import Interval, Vector, as_sample


def expanded_interval(distribution: Vector, a: ArrayLike, b: ArrayLike, *, level: float = 0.95) -> Interval:
    """The interval of mean(b) - mean(a) from its bootstrap `distribution`, cut further out the fewer units there are.

    With one unit in an arm, or none that differ, the ends of the distribution.
    """
    samples = [as_sample(a, name="a"), as_sample(b, name="b")]
    parts = np.array([sample.var(ddof=1) / sample.size if sample.size > 1 else 0.0 for sample in samples])
    biased = sum(sample.var() / sample.size for sample in samples)
    if min(sample.size for sample in samples) < 2 or biased == 0:
        return float(distribution.min()), float(distribution.max())
    freedom = parts.sum() ** 2 / sum(part**2 / (sample.size - 1) for part, sample in zip(parts, samples, strict=True))
    tail = float(ndtr(np.sqrt(parts.sum() / biased) * stdtrit(freedom, (1 - level) / 2)))
    low, high = np.quantile(distribution, [tail, 1 - tail])
    return float(low), float(high)
