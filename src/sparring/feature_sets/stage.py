"""The feature-set stage: sets of several sizes, their random twins, the gap between them, the build-up by depth."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from sparring.canonical import rounded
from sparring.errors import SparringError
from sparring.feature_sets.plan import FeatureSetPlan
from sparring.feature_sets.sets import Latents, answers, matched_sets, strongest_set
from sparring.probing.contrasts import Contrast, draw_contrasts
from sparring.probing.labelled import read_task
from sparring.probing.means import mean_latents
from sparring.probing.plan import ProbingPlan
from sparring.progress import progress
from sparring.stats.bootstrap import bootstrap_mean


def feature_sets(
    coders: Mapping[str, Path], task: Path, task_rows: Path, *, plan: FeatureSetPlan, probing: ProbingPlan
) -> dict[str, Any]:
    """The result of one plan; `coders` are the folders of its arms. All accuracies are on the test texts.

    Raises SparringError for a class that the task does not have.
    """
    texts = read_task(task)
    if plan.label not in texts.classes:
        raise SparringError(f"feature_sets.label: no class {plan.label!r}; the task has {', '.join(texts.classes)}")
    contrast = draw_contrasts(texts, seed=probing.seed)[texts.classes.index(plan.label)]
    latents = {arm: mean_latents(coders[arm], task_rows, len(texts.texts)) for arm in plan.arms}
    return compare_sets(latents, contrast, plan)


def compare_sets(latents: Mapping[str, Latents], contrast: Contrast, plan: FeatureSetPlan) -> dict[str, Any]:
    """{"ceiling", "sizes": {size: {"set", "random", "gap", "share_of_ceiling", "build_up", "latents"}}, "plan"}.

    ceiling: a probe on every latent of every coder. build_up: the sets of the first coder, the first two, and so on.
    """
    coders = [latents[arm] for arm in plan.arms]
    ceiling = _accuracy(answers(coders, [np.arange(one.shape[1]) for one in coders], contrast), plan)
    sizes = {}
    with progress(len(plan.sizes) * plan.random_sets, desc="random feature sets", unit="set") as bar:
        for size in plan.sizes:
            chosen = strongest_set(coders, contrast, size)
            mine = answers(coders, chosen, contrast)
            rng = np.random.default_rng([plan.seed, size])
            twins = np.zeros(len(mine))
            each = []
            for _ in range(plan.random_sets):
                twin = answers(coders, matched_sets(coders, chosen, contrast, rng), contrast)
                twins += twin / plan.random_sets
                each.append(float(twin.mean()))
                bar.update(1)
            found = _accuracy(mine, plan)
            sizes[str(size)] = {
                "set": found,
                "random": _accuracy(twins, plan) | {"sd_over_sets": float(np.std(each)), "sets": plan.random_sets},
                "gap": _accuracy(mine - twins, plan),
                "share_of_ceiling": found["value"] / ceiling["value"],
                "build_up": {
                    "+".join(plan.arms[: depth + 1]): _accuracy(
                        answers(coders[: depth + 1], chosen[: depth + 1], contrast), plan
                    )
                    for depth in range(len(coders))
                },
                "latents": {arm: [int(one) for one in some] for arm, some in zip(plan.arms, chosen, strict=True)},
            }
    examples = {"train": len(contrast.train.texts), "test": len(contrast.test.texts)}
    return dict(rounded({"ceiling": ceiling, "sizes": sizes, "examples": examples, "plan": asdict(plan)}))


def _accuracy(per_text: Float[np.ndarray, " text"] | np.ndarray, plan: FeatureSetPlan) -> dict[str, Any]:
    """Mean over test texts with an interval over them."""
    found = bootstrap_mean(per_text.astype(np.float64), resamples=plan.resamples, seed=plan.seed)
    return {"value": found.estimate, "ci95": list(found.ci), "n": len(per_text)}
