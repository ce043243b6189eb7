"""McNemar's test: two classifiers on the same examples, told apart by the examples on which only one is right."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest


class McNemar(NamedTuple):
    """How many examples only the first got right, how many only the second, and the exact two-sided p."""

    only_first: int
    only_second: int
    p: float


def mcnemar(first: ArrayLike, second: ArrayLike) -> McNemar:
    """The exact (binomial) test of McNemar (1947). `first`, `second`: whether each is right, example by example.

    p is 1 where they never disagree. ValueError where they are not vectors of one length.
    """
    ones, others = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if ones.shape != others.shape or ones.ndim != 1:
        raise ValueError(f"paired answers must be vectors of one length, got {ones.shape} and {others.shape}")
    only_first, only_second = int((ones & ~others).sum()), int((others & ~ones).sum())
    disagree = only_first + only_second
    return McNemar(only_first, only_second, float(binomtest(only_first, disagree).pvalue) if disagree else 1.0)
