"""Many figures of the same units, told apart between two groups at once: the permutation of the largest t.

Westfall and Young (1993), single step: labels are permuted over the units, for all figures alike, and a figure's
adjusted p is the share of permutations whose largest |t| over all figures reaches its own. What depends on what does so
in the permutations too, so that many figures that say the same cost little; with no difference anywhere, the chance
that any p is at most alpha is at most alpha.
"""

import numpy as np
from jaxtyping import Bool, Float

_BLOCK_CELLS = 1 << 22
_TIE = 1e-9  # rounding error, relative


def max_t(
    values: Float[np.ndarray, "unit figure"], first: Bool[np.ndarray, " unit"], *, permutations: int, seed: int
) -> Float[np.ndarray, " figure"]:
    """The adjusted two-sided p of each figure's difference between the units of `first` and the others, by Welch's t.

    (r + 1) / (permutations + 1); 1 for a figure that does not vary. ValueError with fewer than two units in a group.
    """
    n = int(first.sum())
    if min(n, len(first) - n) < 2:
        raise ValueError(f"a permutation test needs two units a group, got {n} and {len(first) - n}")
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    dead = spread <= _TIE * np.abs(values).max(axis=0, initial=0)
    scaled = np.where(dead, 0.0, centred / np.where(dead, 1.0, spread))
    observed = _t(scaled, first[None].astype(np.float64))[0]
    rng = np.random.default_rng(seed)
    step = max(1, _BLOCK_CELLS // max(1, values.size))
    largest = np.concatenate(
        [
            _t(scaled, rng.permuted(np.tile(first, (min(step, permutations - start), 1)), axis=1).astype(np.float64))
            .max(axis=1, initial=0.0)
            for start in range(0, permutations, step)
        ]
    )  # fmt: skip
    extreme = (largest[:, None] >= observed[None] * (1 - _TIE)).sum(axis=0)
    return np.where(dead, 1.0, (extreme + 1) / (permutations + 1))


def _t(
    values: Float[np.ndarray, "unit figure"], inside: Float[np.ndarray, "row unit"]
) -> Float[np.ndarray, "row figure"]:
    """|t| of each relabelling (a row, 1 for the units of the first group) and figure; 0 for one that is all zero."""
    n = inside.sum(axis=1, keepdims=True)
    m = values.shape[0] - n
    total, squares = values.sum(axis=0), (values**2).sum(axis=0)
    one, one_squares = inside @ values, inside @ values**2
    mean, other = one / n, (total - one) / m
    variance = np.maximum(one_squares / n - mean**2, 0) * n / (n - 1) / n
    variance = variance + np.maximum((squares - one_squares) / m - other**2, 0) * m / (m - 1) / m
    gap = np.abs(mean - other)
    return np.divide(gap, np.sqrt(variance), out=np.where(gap > _TIE, np.inf, 0.0), where=variance > _TIE**2)
