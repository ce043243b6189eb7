"""One half of the samples chooses the factor, the other is reported: no factor is judged on what chose it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from sparring.stats.bootstrap import bootstrap_mean
from sparring.steering.plan import SteeringPlan


class Tried(NamedTuple):
    """What came of one prompt, direction and factor: whether each sample is of the class, and its log perplexity."""

    success: Bool[np.ndarray, " sample"]
    log_ppl: Float[np.ndarray, " sample"]

    def half(self, which: int) -> "Tried":
        """The samples with even (0) or odd (1) numbers."""
        return Tried(self.success[which::2], self.log_ppl[which::2])


def rise(one: Tried, baseline: Tried) -> float:
    """Log of the ratio of perplexities to the unsteered text's, a mean over samples that share their random numbers."""
    return float((one.log_ppl - baseline.log_ppl).mean())


def chosen(tried: Mapping[str, Tried], baseline: Tried, cap: float) -> str | None:
    """The factor with the most success in the first half, of equals the first, among those whose perplexity there is
    at most `cap` times that of the unsteered text's first half; None where none is."""
    halves = {factor: one.half(0) for factor, one in tried.items()}
    plain = baseline.half(0)
    fluent = {factor: one for factor, one in halves.items() if rise(one, plain) <= np.log(cap)}
    return max(fluent, key=lambda factor: fluent[factor].success.mean()) if fluent else None


def figures(one: Tried, baseline: Tried, plan: SteeringPlan) -> dict[str, Any]:
    """{"success", "ppl", "ppl_ratio"}, each with its interval over samples ("..._ci95"), and "n".

    `baseline` has the same samples, unsteered.
    """
    logs = {"ppl": one.log_ppl, "ppl_ratio": one.log_ppl - baseline.log_ppl}
    found = {"success": bootstrap_mean(one.success.astype(np.float64), resamples=plan.resamples, seed=plan.seed)}
    found |= {name: bootstrap_mean(of, resamples=plan.resamples, seed=plan.seed) for name, of in logs.items()}
    values: dict[str, Any] = {"n": len(one.success)}
    for name, mean in found.items():
        back = np.exp if name in logs else np.asarray
        values |= {name: float(back(mean.estimate)), f"{name}_ci95": back(mean.ci).tolist()}
    return values


def compared(a: Tried, b: Tried, plan: SteeringPlan) -> dict[str, Any]:
    """{"value", "ci95", "n"}: the difference of success, paired by sample (all start from the same seed)."""
    gain = a.success.astype(np.float64) - b.success
    found = bootstrap_mean(gain, resamples=plan.resamples, seed=plan.seed)
    return {"value": found.estimate, "ci95": list(found.ci), "n": len(gain)}
