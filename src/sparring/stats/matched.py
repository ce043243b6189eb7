"""Pairs of latents, one of each arm, that fire about equally often."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from sparring.stats.bootstrap import as_sample


def matched_pairs(
    rate_a: ArrayLike, rate_b: ArrayLike, *, caliper: float = 0.25
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices into each arm of the one-to-one pairs whose firing rates differ by at most `caliper` natural-log units.

    As many pairs as the caliper allows, and among these the assignment with the smallest total distance in log rate.
    ValueError where a rate is not positive (a latent that never fires has no place here).
    """
    left, right = as_sample(rate_a, name="rate_a"), as_sample(rate_b, name="rate_b")
    if min(left.min(), right.min()) <= 0:
        raise ValueError("firing rates must be positive to be matched on their logarithm")
    distance = np.abs(np.log(left)[:, None] - np.log(right)[None, :])
    # A pair out of reach costs more than all pairs within reach together: it is used only where nothing else is left.
    barrier = (min(left.size, right.size) + 1) * caliper + 1
    rows, columns = linear_sum_assignment(np.where(distance <= caliper, distance, barrier))
    kept = distance[rows, columns] <= caliper
    return rows[kept], columns[kept]
