"""What a set tells of the class: a fresh probe on its latents alone, against its random twins and all latents."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from torch import cat

from sparring.feature_sets.plan import FeatureSetPlan
from sparring.feature_sets.sets import Columns, Drawn, Latents
from sparring.probing.contrasts import Contrast
from sparring.probing.probe import right
from sparring.progress import progress
from sparring.stats.bootstrap import bootstrap_mean

Answers = Bool[np.ndarray, " test"]


def answers(coders: Sequence[Latents], columns: Columns, contrast: Contrast) -> Answers:
    """Whether a fresh probe on these latents is right about each test text."""
    x = cat([latents[:, np.sort(some)] for latents, some in zip(coders, columns, strict=True)], dim=1)
    return right(x[contrast.train.texts], contrast.train.positive, x[contrast.test.texts], contrast.test.positive)


def compare_sets(
    latents: Mapping[str, Latents], contrast: Contrast, drawn: Drawn, plan: FeatureSetPlan
) -> dict[str, Any]:
    """{"ceiling", "sizes": {size: {"set", "random", "gap", "share_of_ceiling", "build_up", "latents", "dead"}}}.

    ceiling: a probe on every latent of every coder. build_up: the sets of the first coder, the first two, and so on.
    """
    coders = [latents[arm] for arm in plan.arms]
    ceiling = _accuracy(answers(coders, [np.arange(one.shape[1]) for one in coders], contrast), plan)
    sizes = {}
    with progress(len(plan.sizes) * plan.random_sets, desc="probes on random sets", unit="set") as bar:
        for size in plan.sizes:
            chosen, twins = drawn.of(size), []
            for twin in drawn.twins[size]:
                twins.append(answers(coders, twin, contrast))
                bar.update(1)
            mine, theirs = answers(coders, chosen, contrast), np.mean(twins, axis=0)
            found = _accuracy(mine, plan)
            sizes[str(size)] = {
                "set": found,
                "random": _accuracy(theirs, plan)
                | {
                    "sd_over_sets": float(np.std([one.mean() for one in twins])),
                    "sets": len(twins),
                    "rate_mismatch": drawn.mismatch(size),
                },
                "gap": _accuracy(mine - theirs, plan),
                "share_of_ceiling": found["value"] / ceiling["value"] if ceiling["value"] else None,
                "build_up": {
                    "+".join(plan.arms[: depth + 1]): _accuracy(
                        answers(coders[: depth + 1], chosen[: depth + 1], contrast), plan
                    )
                    for depth in range(len(coders))
                },
                "latents": {arm: [int(one) for one in some] for arm, some in zip(plan.arms, chosen, strict=True)},
                "dead": drawn.dead(size),
            }
    return {"ceiling": ceiling, "sizes": sizes}


def _accuracy(per_text: Float[np.ndarray, " text"] | Answers, plan: FeatureSetPlan) -> dict[str, Any]:
    """Mean over test texts with an interval over them."""
    found = bootstrap_mean(per_text.astype(np.float64), resamples=plan.resamples, seed=plan.seed)
    return {"value": found.estimate, "ci95": list(found.ci), "n": len(per_text)}
