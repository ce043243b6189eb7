"""The instrument check: can this scorer, with this explainer, tell a good explanation from a wrong one at all?

Floor: explanations shuffled among latents, and none at all. Ceiling: the oracle (the latent's true top tokens). All are
AUROC per latent, as the scores themselves are; intervals are bootstraps over latents, and differences between kinds of
explanation are paired.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.autointerp.plan import BAG_OF_WORDS
from sparring.comparable import ArmInputs
from sparring.perlatent import ArmScores, LatentScores, paired, table_reliability
from sparring.stats.bootstrap import bootstrap_mean
from sparring.testplan import METRICS, TestPlan

POOLED = "pooled"  # both arms together: the instrument is one


def instrument_check(arms: Mapping[str, ArmInputs], scores: Mapping[str, ArmScores], plan: TestPlan) -> dict[str, Any]:
    """The `instrument` part of the result, each figure by metric and arm; None where it cannot be had."""
    check: dict[str, Any] = {
        "scorer": dict(next(iter(arms.values())).score_meta["scorer"]),
        "tell_auroc": {name: arm.score_meta.get("tell_auroc") for name, arm in arms.items()},
    }
    check["canary"] = {name: arm.score_meta.get("canary", {}).get("auroc") for name, arm in arms.items()}
    check["shown_to_explainer"] = {name: arm.score_meta.get("shown_to_explainer", 0.0) for name, arm in arms.items()}
    entropies = {name: list(arm.score_meta.get("token_entropy", {}).values()) for name, arm in arms.items()}
    check["token_entropy"] = {name: float(np.mean(bits)) if bits else None for name, bits in entropies.items()}
    bags = {name: arm.table("detection", BAG_OF_WORDS).values for name, arm in scores.items()}
    check["bag_of_words"] = {"detection": _each_and_pooled(bags, plan)}
    for count in ("duplicate_explanations", "copied_explanations"):
        check[count] = {name: arm.score_meta.get(count) for name, arm in arms.items()}
    by_metric: dict[str, dict[str, Any]] = {metric: _of_metric(scores, metric, plan) for metric in METRICS}
    for figure in ("floor", "empty", "ceiling", "margin", "lift", "normalised", "reliability", "parse_rate"):
        check[figure] = {metric: found[figure] for metric, found in by_metric.items()}
    return check


def _of_metric(scores: Mapping[str, ArmScores], metric: str, plan: TestPlan) -> dict[str, Any]:
    real, shuffled, empty, oracle = (
        {name: arm.table(metric, kind) for name, arm in scores.items()}
        for kind in ("real", "shuffled", "empty", "oracle")
    )
    return {
        "empty": _each_and_pooled({name: table.values for name, table in empty.items()}, plan),
        "floor": _each_and_pooled({name: table.values for name, table in shuffled.items()}, plan),
        "ceiling": _each_and_pooled({name: table.values for name, table in oracle.items()}, plan),
        "margin": _each_and_pooled({name: _gain(oracle[name], shuffled[name]) for name in scores}, plan),
        "lift": _each_and_pooled({name: _gain(real[name], shuffled[name]) for name in scores}, plan),
        "normalised": {name: _normalised(real[name], shuffled[name], oracle[name]) for name in scores},
        "reliability": {name: table_reliability([table]) for name, table in real.items()}
        | {POOLED: table_reliability(list(real.values()))},
        "parse_rate": {name: _parse_rate(arm, metric) for name, arm in scores.items()},
    }


def _gain(over: LatentScores, under: LatentScores) -> NDArray[np.float64]:
    """Per latent, what one kind of explanation is worth more than another."""
    first, second = paired(over, under)
    return first - second


def _each_and_pooled(values: Mapping[str, NDArray[np.float64]], plan: TestPlan) -> dict[str, Any]:
    return {name: _mean(sample, plan) for name, sample in values.items()} | {
        POOLED: _mean(np.concatenate(list(values.values())), plan)
    }


def _mean(sample: NDArray[np.float64], plan: TestPlan) -> dict[str, Any] | None:
    if sample.size == 0:
        return None
    found = bootstrap_mean(sample, resamples=plan.resamples, seed=plan.seed)
    return {"mean": found.estimate, "ci95": list(found.ci), "n": int(sample.size)}


def _normalised(real: LatentScores, shuffled: LatentScores, oracle: LatentScores) -> float | None:
    """(score - floor) / (ceiling - floor) of the arm's means; None where the ceiling is not above the floor."""
    both = np.intersect1d(np.intersect1d(real.latents, shuffled.latents), oracle.latents)  # controls may be on a subset
    if not both.size:
        return None
    means = [table.values[np.isin(table.latents, both)].mean() for table in (real, shuffled, oracle)]
    score, floor, ceiling = means
    return float((score - floor) / (ceiling - floor)) if ceiling > floor else None


def _parse_rate(arm: ArmScores, metric: str) -> float | None:
    tables = [table for (name, kind), table in arm.tables.items() if name == metric and kind != BAG_OF_WORDS]
    examples = sum(table.examples for table in tables)
    return 1 - sum(table.unreadable for table in tables) / examples if examples else None
