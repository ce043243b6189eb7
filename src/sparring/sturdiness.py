"""What else could have come out otherwise: the examples within latents, and the documents that all latents share."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparring.perlatent import LatentScores
from sparring.stats.bootstrap import Bootstrap
from sparring.stats.documents import Examples, bootstrap_documents
from sparring.stats.levels import Matrix, auroc_replicates, bootstrap_two_levels
from sparring.testplan import TestPlan

_REPLICATES = 400  # of each latent's AUROC over resampled examples
_MOST = 2000  # resamples of documents: each makes the AUROC of every latent anew


def other_intervals(first: LatentScores, second: LatentScores, plan: TestPlan) -> dict[str, Any]:
    """95% intervals of the difference, second - first, with latents and their examples resampled; with documents."""
    rng = np.random.default_rng(plan.seed)
    estimate = float(second.values.mean() - first.values.mean())
    levels = bootstrap_two_levels(
        _replicates(first.judged, rng),
        _replicates(second.judged, rng),
        estimate=estimate,
        resamples=plan.resamples,
        seed=plan.seed,
    )
    documents = bootstrap_documents(first.judged, second.judged, resamples=min(plan.resamples, _MOST), seed=plan.seed)
    return {"ci95_two_level": _shown(levels), "ci95_documents": _shown(documents)}


def _replicates(latents: Sequence[Examples], rng: np.random.Generator) -> Matrix:
    return np.stack([auroc_replicates(one.labels, one.scores, replicates=_REPLICATES, rng=rng) for one in latents])


def _shown(found: Bootstrap) -> list[float]:
    return list(found.ci)
