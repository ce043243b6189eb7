"""The area under the ROC curve of one latent's examples, with its sampling variance.

AUROC = P(score of a positive > score of a negative) + P(equal) / 2; the variance is that of DeLong, DeLong and
Clarke-Pearson (1988). It is 0 at perfect separation, where the sample holds no trace of its own uncertainty.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Auroc:
    """`value` is None without a readable positive and negative; `variance` with fewer than two of either."""

    value: float | None
    variance: float | None
    positives: int
    negatives: int
    unreadable: int


def auroc(labels: ArrayLike, scores: ArrayLike) -> Auroc:
    """AUROC of `scores` [examples] for the booleans `labels` [examples]; NaN is unreadable: left out and counted."""
    truth, values = np.asarray(labels, dtype=bool), np.asarray(scores, dtype=np.float64)
    if truth.shape != values.shape or truth.ndim != 1:
        raise ValueError(f"labels and scores must be vectors of one length, got {truth.shape} and {values.shape}")
    readable = ~np.isnan(values)
    truth, values = truth[readable], values[readable]
    positives, negatives = int(truth.sum()), int((~truth).sum())
    unreadable = int((~readable).sum())
    if positives == 0 or negatives == 0:
        return Auroc(None, None, positives, negatives, unreadable)
    # How large a share of the other class each example beats, ties half.
    over_negatives = _beaten(values[truth], values[~truth])
    under_positives = 1 - _beaten(values[~truth], values[truth])
    variance = None
    if min(positives, negatives) > 1:
        variance = float(over_negatives.var(ddof=1) / positives + under_positives.var(ddof=1) / negatives)
    return Auroc(float(over_negatives.mean()), variance, positives, negatives, unreadable)


def _beaten(scores: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    ordered = np.sort(others)
    return (ordered.searchsorted(scores, "left") + ordered.searchsorted(scores, "right")) / (2 * ordered.size)
