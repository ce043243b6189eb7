"""Block bootstrap over documents: how far would a difference move on other texts, with the same latents?

Latents are judged on windows of the same documents, so their figures are not independent of one another, which an
interval over latents does not see. Here documents are resampled (Kuensch 1989's blocks, with a document for a block);
every example counts as often as its document was drawn, in both arms alike.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparring.stats.bootstrap import Bootstrap, Vector, blocks, percentile_interval
from sparring.stats.levels import pairwise


class Examples(NamedTuple):
    """One latent's readable examples, each with the number of the document it is from."""

    labels: NDArray[np.bool_]
    scores: Vector
    documents: NDArray[np.int64]


def bootstrap_documents(
    a: Sequence[Examples], b: Sequence[Examples], *, resamples: int = 10_000, seed: int = 0, level: float = 0.95
) -> Bootstrap:
    """Difference of the arms' mean AUROC per latent, b - a, over resamples of the documents of both. No BCa interval.

    A latent whose positives or negatives a resample leaves out has no AUROC there and is left out of that mean.
    """
    names = np.unique(np.concatenate([latent.documents for latent in (*a, *b)]))
    rng = np.random.default_rng(seed)
    distribution = np.empty(resamples)
    once = np.ones((1, names.size), dtype=np.float32)
    for start, stop in blocks(resamples, names.size):
        times = rng.multinomial(names.size, np.full(names.size, 1 / names.size), size=stop - start).astype(np.float32)
        distribution[start:stop] = _mean_auroc(b, names, times) - _mean_auroc(a, names, times)
    estimate = float((_mean_auroc(b, names, once) - _mean_auroc(a, names, once))[0])
    some = distribution[np.isfinite(distribution)]  # with few texts, a resample may leave an arm without any latent
    return Bootstrap(estimate, percentile_interval(some, level), None, some)


def _mean_auroc(latents: Sequence[Examples], names: NDArray[np.int64], times: NDArray[np.float32]) -> Vector:
    """[resamples]: the mean over latents of their AUROC where document j counts `times[:, j]` times."""
    total, number = np.zeros(len(times)), np.zeros(len(times))
    for labels, scores, documents in latents:
        column = np.searchsorted(names, documents)
        positive, negative = times[:, column[labels]], times[:, column[~labels]]
        weight = positive.sum(axis=1) * negative.sum(axis=1)
        beats = pairwise(scores[labels], scores[~labels]).astype(np.float32)
        won = np.einsum("rn,rn->r", positive @ beats, negative)
        total += np.divide(won, weight, out=np.zeros_like(won), where=weight > 0)
        number += weight > 0
    return np.divide(total, number, out=np.full(len(times), np.nan), where=number > 0)
