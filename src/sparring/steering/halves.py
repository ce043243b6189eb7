"""One half of the samples chooses the factor, the other is reported: no factor is judged on what chose it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from sparring.stats.bootstrap import bootstrap_mean
from sparring.steering.plan import SteeringPlan

CEILING, FLOOR = 0.8, 0.2  # of the unsteered success, beyond which steering has no room


class Tried(NamedTuple):
    """What came of one prompt, direction and factor: whether each sample is of the class, and its log perplexity."""

    success: Bool[np.ndarray, " sample"]
    log_ppl: Float[np.ndarray, " sample"]

    def half(self, which: int) -> "Tried":
        """The samples with even (0) or odd (1) numbers."""
        return Tried(self.success[which::2], self.log_ppl[which::2])


def chosen(tried: Mapping[str, Tried], cap: float) -> str | None:
    """The factor with the most success in the first half, of equals the first, among those whose mean log perplexity
    there is at most `cap`; None where none is."""
    halves = {factor: one.half(0) for factor, one in tried.items()}
    fluent = {factor: one for factor, one in halves.items() if one.log_ppl.mean() <= cap}
    return max(fluent, key=lambda factor: fluent[factor].success.mean()) if fluent else None


def figures(one: Tried, plan: SteeringPlan) -> dict[str, Any]:
    """{"success", "ci95" (over samples), "n", "ppl"}."""
    found = bootstrap_mean(one.success.astype(np.float64), resamples=plan.resamples, seed=plan.seed)
    ppl = float(np.exp(one.log_ppl.mean()))
    return {"success": found.estimate, "ci95": list(found.ci), "n": len(one.success), "ppl": ppl}


def compared(a: Tried, b: Tried, plan: SteeringPlan) -> dict[str, Any]:
    """{"value", "ci95", "n"}: the difference of success, paired by sample (all start from the same seed)."""
    gain = a.success.astype(np.float64) - b.success
    found = bootstrap_mean(gain, resamples=plan.resamples, seed=plan.seed)
    return {"value": found.estimate, "ci95": list(found.ci), "n": len(gain)}


def degenerate(baseline: Tried, best: Mapping[str, str | None]) -> list[str]:
    """Why nothing can be decided, a sentence each; empty where something can."""
    success = float(baseline.success.mean())
    said = []
    if success >= CEILING:
        said.append(f"The unsteered text is of the class already in {success:.0%} of the samples: a ceiling.")
    if success <= FLOOR:
        said.append(f"The unsteered text is of the class in {success:.0%} of the samples: a floor.")
    said += [f"Every factor of {name} breaks the fluency cap." for name, factor in best.items() if factor is None]
    return said
