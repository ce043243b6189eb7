"""The figures of a whole plan: means over its concepts. The concept is the unit, not the sample.

Concepts of one class share its texts and its prompt: classes are resampled, and within each the coders. Where one
concept is left its samples are, and the figure says so.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sparring.stats.clustered import clustered_mean
from sparring.steering.concept import BASELINE, PAIRS
from sparring.steering.plan import SteeringPlan

Concept = Mapping[str, Any]
SAMPLES, CODERS, CLASSES, BOTH = (
    "samples of the one concept, paired by their random numbers",
    "coders of the one class",
    "classes",
    "classes, and within each the coders",
)


def headline(concepts: Sequence[Concept], ways: Sequence[str], plan: SteeringPlan) -> dict[str, Any] | None:
    """{"concepts", "left_out", "baseline", "best", "differences", "curves"} over the concepts that are not degenerate.

    Each figure: {"value", "ci95", "ci95_t", "n", "resampled"}. None where no concept is left.
    """
    counted = [one for one in concepts if not one["degenerate"]]
    if not counted:
        return None

    def over(pick: Callable[[Concept], Any], key: str, **more: Any) -> dict[str, Any] | None:
        return _mean([(one, found) for one in counted if (found := pick(one)) is not None], key, plan, **more)

    return {
        "concepts": len(counted),
        "left_out": len(concepts) - len(counted),
        "baseline": {
            "success": over(lambda one: one["baseline"], "success"),
            "ppl": over(lambda one: one["baseline"], "ppl", geometric=True),
            "ppl_cap": over(lambda one: one, "ppl_cap", geometric=True),
        },
        "best": {
            way: {
                "factor": over(_best(way), "factor"),
                "success": over(_best(way), "success"),
                "ppl_ratio": over(_best(way), "ppl_ratio", geometric=True),
            }
            for way in ways
        },
        "differences": {f"{a} - {b}": over(_difference(f"{a} - {b}"), "value") for a, b in PAIRS},
        "curves": {way: {factor: _point(counted, way, factor) for factor in counted[0]["grid"][way]} for way in ways},
    }


def _best(way: str) -> Callable[[Concept], Any]:
    return lambda one: one["best"].get(way)


def _difference(name: str) -> Callable[[Concept], Any]:
    return lambda one: one["differences"].get(name)


def _point(concepts: Sequence[Concept], way: str, factor: str) -> dict[str, float]:
    """{"success", "ppl_ratio"}: means over concepts of all samples at one factor, the second geometric."""
    each = [one["grid"][way][factor] for one in concepts]
    return {
        "success": float(np.mean([one["success"] for one in each])),
        "ppl_ratio": float(np.exp(np.mean(np.log([one["ppl_ratio"] for one in each])))),
    }


def _mean(
    found: Sequence[tuple[Concept, Mapping[str, Any]]], key: str, plan: SteeringPlan, *, geometric: bool = False
) -> dict[str, Any] | None:
    if not found:
        return None
    keys = [(one["label"], one["arm"]) for one, _ in found]
    unit = resampled(keys)
    if unit == SAMPLES:
        only = found[0][1]
        ci = only["ci95"] if key == "value" else only.get(f"{key}_ci95")
        return {"value": only[key], "ci95": ci, "ci95_t": None, "n": ci and only["n"], "resampled": unit}
    clusters: dict[Any, list[float]] = {}
    for (label, arm), (_, of) in zip(keys, found, strict=True):
        value = float(np.log(of[key])) if geometric else of[key]
        clusters.setdefault(arm if unit == CODERS else label, []).append(value)
    mean = clustered_mean(list(clusters.values()), resamples=plan.resamples, seed=plan.seed)
    back = np.exp if geometric else np.asarray
    return {
        "value": float(back(mean.estimate)),
        "ci95": back(mean.ci).tolist(),
        "ci95_t": None if mean.t is None else back(mean.t).tolist(),
        "n": len(found),
        "resampled": unit,
    }


def resampled(concepts: Sequence[tuple[str, str]]) -> str:
    """What is resampled for a mean over `concepts`, each a class and a coder."""
    if len(concepts) == 1:
        return SAMPLES
    classes = len({label for label, _ in concepts})
    if classes == 1:
        return CODERS
    return CLASSES if classes == len(concepts) else BOTH


def doubts(found: Mapping[str, Any] | None, concepts: Sequence[Concept]) -> list[str]:
    """What keeps the plan from deciding, a sentence each."""
    if found is None:
        names = "; ".join(f"{one['label']} along {one['arm']}: {' '.join(one['degenerate'])}" for one in concepts)
        return [f"Degenerate: no concept is left. {names}"]
    ways = [name for name, of in found["differences"].items() if name.endswith(f" - {BASELINE}") and of is not None]
    if not any(found["differences"][name]["ci95"][0] > 0 for name in ways):
        return ["No way of steering beats the unsteered text."]
    return []
