"""Permutation test of a difference of means: are the arm labels exchangeable?"""

import numpy as np
from numpy.typing import ArrayLike

from sparring.stats.bootstrap import as_sample

_BLOCK_CELLS = 1 << 18
_TIE = 1e-12  # rounding error, relative to the largest value: a difference this close to the observed one is equal


def permutation_p(a: ArrayLike, b: ArrayLike, *, permutations: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of mean(b) - mean(a) under random relabelling: (r + 1) / (permutations + 1).

    r counts the relabellings whose absolute difference is at least the observed one. The added ones make p valid, never
    0 (Phipson and Smyth 2010).
    """
    left, right = as_sample(a, name="a"), as_sample(b, name="b")
    pooled = np.concatenate([left, right])
    tie = _TIE * float(np.abs(pooled).max())
    observed = abs(right.mean() - left.mean())
    rng = np.random.default_rng(seed)
    step = max(1, _BLOCK_CELLS // pooled.size)
    extreme = 0
    for start in range(0, permutations, step):
        rows = np.broadcast_to(pooled, (min(step, permutations - start), pooled.size))
        shuffled = rng.permuted(rows, axis=1)
        difference = shuffled[:, left.size :].mean(axis=1) - shuffled[:, : left.size].mean(axis=1)
        extreme += int((np.abs(difference) >= observed - tie).sum())
    return (extreme + 1) / (permutations + 1)
