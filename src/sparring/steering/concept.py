"""One concept, a class and a coder: how each way of steering does at the factor chosen for it, and the differences."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sparring.steering.halves import Tried, chosen, compared, figures
from sparring.steering.plan import SteeringPlan
from sparring.words import plain_interval

CEILING = 0.8  # of the unsteered success: no room above it
FLOOR = 0.2  # of the success of every way and of the unsteered text: nothing to tell ways apart by
BASELINE, LATENT = "baseline", "latent"
# What is reported: the latent against each other way, and every way against the unsteered text.
PAIRS = (
    (LATENT, "difference_of_means"),
    (LATENT, "random"),
    (LATENT, "prompt"),
    (LATENT, BASELINE),
    ("difference_of_means", BASELINE),
    ("random", BASELINE),
    ("prompt", BASELINE),
)


def concept(
    baseline: Tried, grid: Mapping[str, Mapping[str, Tried]], judge: Mapping[str, Any], plan: SteeringPlan
) -> dict[str, Any]:
    """{"baseline", "ppl_cap", "grid", "best", "differences", "not_fluent", "degenerate"}.

    grid: {way: {factor: what came of it}}. judge: see Judges.accuracy. best and differences are on the samples that
    chose no factor; a way without a fluent factor has neither, and is named in not_fluent. degenerate: why nothing can
    be decided here, a sentence each.
    """
    best = {way: chosen(tried, baseline, plan.ppl_cap) for way, tried in grid.items()}
    plain = baseline.half(1)
    held = {way: grid[way][factor].half(1) for way, factor in best.items() if factor is not None} | {BASELINE: plain}
    pairs = [(a, b) for a, b in PAIRS if {a, b} <= held.keys()]
    return {
        "baseline": figures(baseline, baseline, plan),
        "ppl_cap": plan.ppl_cap * float(np.exp(baseline.half(0).log_ppl.mean())),
        "grid": {
            way: {factor: figures(one, baseline, plan) for factor, one in tried.items()} for way, tried in grid.items()
        },
        "best": {
            way: {"factor": float(factor)} | figures(held[way], plain, plan)
            for way, factor in best.items()
            if factor is not None
        },
        "differences": {f"{a} - {b}": compared(held[a], held[b], plan) for a, b in pairs},
        "not_fluent": [way for way, factor in best.items() if factor is None],
        "degenerate": degenerate(baseline, grid, best, judge),
    }


def degenerate(
    baseline: Tried,
    grid: Mapping[str, Mapping[str, Tried]],
    best: Mapping[str, str | None],
    judge: Mapping[str, Any],
) -> list[str]:
    """Why nothing can be decided, a sentence each; empty where something can.

    What steering reaches is looked up in the half that chose the factors: what is reported leaves no concept out.
    """
    success, said = float(baseline.success.mean()), []
    reached = max([grid[way][one].half(0).success.mean() for way, one in best.items() if one is not None], default=0.0)
    if judge["ci95"][0] <= 0.5:
        said.append(
            f"The judge cannot tell the class: accuracy {judge['accuracy']:.2f} {plain_interval(judge['ci95'])} on "
            "texts that it was not fitted on, where 0.5 is chance."
        )
    if success >= CEILING:
        said.append(f"The unsteered text is of the class already in {success:.0%} of the samples: a ceiling.")
    if max(success, reached) <= FLOOR:
        said.append(
            f"The unsteered text is of the class in {success:.0%} of the samples, and no way brings it above "
            f"{FLOOR:.0%}: a floor."
        )
    if best.get(LATENT) is None:
        said.append("Every factor of the latent breaks the fluency cap.")
    return said
