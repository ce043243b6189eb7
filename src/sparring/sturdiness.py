"""What else could have come out otherwise: examples within latents, documents that latents share, seeds of coders."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparring.perlatent import LatentScores
from sparring.stats.documents import Examples, bootstrap_documents
from sparring.stats.levels import Matrix, auroc_replicates, bootstrap_two_levels, mean_replicates
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
    return {"ci95_two_level": list(levels.ci), "ci95_documents": list(documents.ci)}


def over_seeds(arms: Sequence[Sequence[LatentScores]], plan: TestPlan) -> dict[str, Any]:
    """The difference of two arms over coder seeds, the top level: seeds are resampled, then the latents of each.

    `arms` holds each arm's tables, one a seed. {"coder_seeds": {"n", "means", "diff", "ci95"}}, or None with one seed.
    """
    if min(len(tables) for tables in arms) < 2:
        return {"coder_seeds": None}
    rng = np.random.default_rng(plan.seed)
    means = [[float(table.values.mean()) for table in tables] for tables in arms]
    first, second = (
        np.stack([mean_replicates(table.values, replicates=_REPLICATES, rng=rng) for table in tables])
        for tables in arms
    )
    estimate = float(np.mean(means[1]) - np.mean(means[0]))
    found = bootstrap_two_levels(first, second, estimate=estimate, resamples=plan.resamples, seed=plan.seed)
    return {"coder_seeds": {"n": len(arms[0]), "means": means, "diff": estimate, "ci95": list(found.ci)}}


def _replicates(latents: Sequence[Examples], rng: np.random.Generator) -> Matrix:
    return np.stack([auroc_replicates(one.labels, one.scores, replicates=_REPLICATES, rng=rng) for one in latents])
