"""Bootstraps of a difference of means with more than one level: examples in latents, latents in seeds of a coder.

Resampling the units of the top level alone already carries the noise of what lies below it, as that noise is in the
units' own figures. The second level answers another question: how far would the difference move with other units AND
other samples within each? It is wider (Davison and Hinkley 1997, section 3.8); it stands beside the published interval.

A unit is given by its replicates: its figure on resamples of what lies within it. Levels are stacked by taking the
replicates of the level below as the sample of the one above.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparring.stats.bootstrap import Bootstrap, Vector, as_sample, blocks, percentile_interval

Matrix = NDArray[np.float64]


def mean_replicates(values: ArrayLike, *, replicates: int, rng: np.random.Generator) -> Vector:
    """Means of `replicates` resamples of one unit's values."""
    sample = as_sample(values, name="values")
    found = np.empty(replicates)
    for start, stop in blocks(replicates, sample.size):
        found[start:stop] = sample[rng.integers(0, sample.size, (stop - start, sample.size))].mean(axis=1)
    return found


def auroc_replicates(labels: ArrayLike, scores: ArrayLike, *, replicates: int, rng: np.random.Generator) -> Vector:
    """AUROC of `replicates` resamples of one latent's examples, positives among positives, negatives among negatives.

    ValueError where either class is empty or a score is NaN.
    """
    truth, values = np.asarray(labels, dtype=bool), as_sample(scores, name="scores")
    beats = pairwise(values[truth], values[~truth])
    positives, negatives = beats.shape
    if not beats.size:
        raise ValueError(f"an AUROC needs both classes, got {positives} positives and {negatives} negatives")
    times_p = rng.multinomial(positives, np.full(positives, 1 / positives), size=replicates)
    times_n = rng.multinomial(negatives, np.full(negatives, 1 / negatives), size=replicates)
    return np.asarray(((times_p @ beats) * times_n).sum(axis=1) / beats.size, dtype=np.float64)


def pairwise(positive: Vector, negative: Vector) -> Matrix:
    """[positives, negatives]: 1 where the positive scores higher, a half where they are equal, else 0."""
    above, below = positive[:, None], negative[None, :]
    return np.asarray((above > below) + 0.5 * (above == below), dtype=np.float64)


def bootstrap_two_levels(
    a: Matrix, b: Matrix, *, estimate: float, resamples: int = 10_000, seed: int = 0, level: float = 0.95
) -> Bootstrap:
    """mean(b) - mean(a) where units (rows) are resampled, and for each drawn unit one of its replicates (columns).

    a, b: [units, replicates]; `estimate` is the difference on the data themselves. No BCa interval.
    """
    rng = np.random.default_rng(seed)
    distribution = np.empty(resamples)
    for start, stop in blocks(resamples, len(a) + len(b)):
        distribution[start:stop] = _drawn(b, stop - start, rng) - _drawn(a, stop - start, rng)
    return Bootstrap(estimate, percentile_interval(distribution, level), None, distribution)


def _drawn(units: Matrix, times: int, rng: np.random.Generator) -> Vector:
    rows = rng.integers(0, len(units), (times, len(units)))
    return np.asarray(units[rows, rng.integers(0, units.shape[1], rows.shape)].mean(axis=1), dtype=np.float64)
