"""The head-to-head: two arms' scores in, one result with its uncertainty, its instrument check and its verdict out.

The unit is the latent: its figure is the AUROC over its own examples, and latents are what is resampled.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sparring.canonical import rounded
from sparring.comparable import ArmInputs, gates
from sparring.errors import SparringError
from sparring.instrument import instrument_check
from sparring.perlatent import ArmScores, LatentScores
from sparring.stats.bootstrap import bootstrap_diff_of_means, bootstrap_mean
from sparring.stats.expanded import expanded_interval
from sparring.stats.family import benjamini_hochberg
from sparring.stats.matched import matched_pairs
from sparring.stats.permutation import permutation_p
from sparring.stats.power import latents_needed, minimum_detectable_effect
from sparring.sturdiness import other_intervals, over_seeds
from sparring.testplan import METRICS, TestPlan
from sparring.verdict import decide

FORMAT = "sparring.headtohead/1"
METHOD = "unpaired bootstrap over latents, difference of means, percentile interval"
_EFFECTS = (0.02, 0.05, 0.1)  # of which the power table says how many latents an arm they need


def head_to_head(
    *,
    arms: Mapping[str, ArmInputs],
    order: tuple[str, str],
    plan: TestPlan,
    provenance: Mapping[str, Any],
    preregistration: Mapping[str, Any] | None = None,
    further: Mapping[str, Mapping[str, ArmInputs]] | None = None,
) -> dict[str, Any]:
    """The result as JSON values. `order` = (first, second): every difference is second - first.

    further: for each of the two, the same coder trained with other seeds, by name; the gates hold for them, too.

    Floats are rounded to 6 decimals (`provenance` is left as it is), so that the last bits of a sum are no news.
    SparringError if `arms` are not the two of `order`.
    """
    if set(order) != set(arms) or len(set(order)) != 2:
        raise SparringError(f"a head-to-head needs the two arms {order}, but has {tuple(arms)}")
    arms = {name: arms[name] for name in order}
    scores = {name: arm.scored for name, arm in arms.items()}
    further = further or {name: {} for name in order}
    others = {name: arm for arms_of in further.values() for name, arm in arms_of.items()}
    seeds = {name: [scores[name], *(arm.scored for arm in further[name].values())] for name in order}
    result: dict[str, Any] = {
        "format": FORMAT,
        "order": list(order),
        "primary": plan.primary,
        "protocol": str(next(iter(arms.values())).score_meta.get("protocol", "strict")),
        "arms": {name: _arm(arm) for name, arm in arms.items()},
        "metrics": _metrics(arms, scores, order, plan, seeds),
        "instrument": instrument_check(arms, scores, plan),
        "latents": {name: _latents(arm, scores[name]) for name, arm in arms.items()},
        "gates": gates(arms | others, scores | {name: arm.scored for name, arm in others.items()}, plan),
        "preregistration": None if preregistration is None else dict(preregistration),
    }
    result = rounded(result)
    verdict = decide(result)
    return result | {"verdict": verdict.verdict, "reasons": list(verdict.reasons), "provenance": dict(provenance)}


def _arm(arm: ArmInputs) -> dict[str, Any]:
    named = ("kind", "read_site", "write_site", "n_latents", "digest")
    measured = ("ve", "ve_ci95", "affine_floor", "l0", "dead_fraction")
    return {key: arm.coder[key] for key in named} | {key: arm.recon.get(key) for key in measured}


def _metrics(
    arms: Mapping[str, ArmInputs],
    scores: Mapping[str, ArmScores],
    order: tuple[str, str],
    plan: TestPlan,
    seeds: Mapping[str, Sequence[ArmScores]],
) -> dict[str, Any]:
    """Every metric by itself, then what their p are worth together."""
    found = {metric: _metric(metric, arms, scores, order, plan) for metric in METRICS}
    for metric, figures in found.items():
        if "p" in figures:
            figures |= over_seeds([[one.table(metric, "real") for one in seeds[name]] for name in order], plan)
    adjusted = benjamini_hochberg({metric: found[metric]["p"] for metric in plan.family if "p" in found[metric]})
    return {
        metric: figures | {"q": adjusted.get(metric)} if "p" in figures else figures
        for metric, figures in found.items()
    }


def _metric(
    metric: str, arms: Mapping[str, ArmInputs], scores: Mapping[str, ArmScores], order: tuple[str, str], plan: TestPlan
) -> dict[str, Any]:
    tables = {name: scores[name].table(metric, "real") for name in order}
    short = [f"{name} has {table.values.size}" for name, table in tables.items() if table.values.size < 2]
    if short:
        return {"not_measured": f"two latents an arm with a readable score are needed; {' and '.join(short)}"}
    first, second = (tables[name].values for name in order)
    found = bootstrap_diff_of_means(first, second, resamples=plan.resamples, seed=plan.seed)
    sd = {name: float(table.values.std(ddof=1)) for name, table in tables.items()}
    n = {name: int(table.values.size) for name, table in tables.items()}
    return {
        "value": "AUROC per latent",
        "means": {name: float(table.values.mean()) for name, table in tables.items()},
        "sd": sd,
        "n": n,
        "diff": found.estimate,
        "diff_is": f"{order[1]} - {order[0]}",
        "ci95": list(found.ci),
        "ci95_bca": None if found.bca is None else list(found.bca),
        "ci95_expanded": list(expanded_interval(found.distribution, first, second)),
        **other_intervals(tables[order[0]], tables[order[1]], plan),
        "p": permutation_p(first, second, permutations=plan.resamples, seed=plan.seed),
        "mde": minimum_detectable_effect(sd[order[0]], n[order[0]], sd[order[1]], n[order[1]]),
        "latents_needed": {str(effect): latents_needed(effect, *sd.values()) for effect in _EFFECTS},
        "matched_by_firing_rate": _matched(arms, tables, order, plan),
        "method": METHOD,
        "seed": plan.seed,
        "resamples": plan.resamples,
    }


def _matched(
    arms: Mapping[str, ArmInputs], tables: Mapping[str, LatentScores], order: tuple[str, str], plan: TestPlan
) -> dict[str, Any]:
    """The difference over pairs of latents with about the same firing rate, bootstrapped over pairs."""
    firing = {name: arms[name].firing for name in order}
    if None in firing.values():
        return {"not_measured": "no firing rates were given"}
    rates = [_rates(path, tables[name].latents) for name, path in firing.items() if path is not None]
    i, j = matched_pairs(*rates, caliper=plan.caliper)
    if i.size < 2:
        return {"not_measured": f"{i.size} pairs of latents fire within {plan.caliper} log units of each other"}
    gains = tables[order[1]].values[j] - tables[order[0]].values[i]
    found = bootstrap_mean(gains, resamples=plan.resamples, seed=plan.seed)
    return {"pairs": int(i.size), "diff": found.estimate, "ci95": list(found.ci), "caliper_log": plan.caliper}


def _rates(firing: Path, latents: NDArray[np.int64]) -> NDArray[np.float64]:
    """The firing rates of these latents, as a share of the counted rows."""
    table = pq.read_table(firing, columns=["latent", "rate"])
    rate = dict(zip(table["latent"].to_pylist(), table["rate"].to_pylist(), strict=True))
    return np.array([rate[int(latent)] for latent in latents])


def _latents(arm: ArmInputs, scores: ArmScores) -> dict[str, Any]:
    """What became of the latents: of all in the coder before the draw, and of the drawn ones by metric."""
    tables = {metric: table for (metric, kind), table in sorted(scores.tables.items()) if kind == "real"}
    return {
        "draw": str(arm.draw["digest"]),
        "drawn": len(arm.draw["latents"]),
        "population": dict(arm.draw["population"]),
        "scored": {metric: int(table.values.size) for metric, table in tables.items()},
        "unreadable": {metric: len(table.unmeasured) for metric, table in tables.items()},
        "dropped": dict(Counter(arm.score_meta.get("dropped", {}).values())),
    }
