"""Trained against random: every figure of a coder beside that of its twin under a control, and what that says.

A difference is trained - random. Figures of latents are compared as in the head-to-head (unpaired bootstrap over
latents), figures of reconstruction by their intervals over documents (MOVER). A score that a control reaches, so that
the interval of the difference includes 0 or lies below it, says little about what was learned, and that is said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.autointerp.plan import BAG_OF_WORDS
from sparring.canonical import rounded
from sparring.controls.sentences import SCORES, as_high
from sparring.errors import SparringError
from sparring.perlatent import ArmScores
from sparring.stats.bootstrap import bootstrap_diff_of_means, bootstrap_mean
from sparring.stats.mover import difference_of
from sparring.stats.power import minimum_detectable_effect
from sparring.testplan import TestPlan

FORMAT = "sparring.controls/1"
DIFFERENCE = "trained - random"

_OF_LATENTS = {
    "detection": ("detection", "real"),
    "detection_shuffled": ("detection", "shuffled"),
    "fuzz": ("fuzz", "real"),
    "fuzz_shuffled": ("fuzz", "shuffled"),
    "bag_of_words": ("detection", BAG_OF_WORDS),
}


@dataclass(frozen=True)
class Measured:
    """What is known of one arm: its reconstruction result, its latents' scores and the score stage's meta."""

    recon: Mapping[str, Any]
    scores: ArmScores
    score_meta: Mapping[str, Any]

    def latents(self) -> dict[str, NDArray[np.float64]]:
        """Each figure that every latent has, one value a latent."""
        found = {name: self.scores.table(*key).values for name, key in _OF_LATENTS.items()}
        bits = list(self.score_meta.get("token_entropy", {}).values())
        return found | {"token_entropy": np.array(bits, dtype=np.float64)}


def against_controls(
    arms: Mapping[str, Measured],
    pairs: Mapping[str, Mapping[str, str]],
    controls: Mapping[str, Mapping[str, Any]],
    *,
    refused: Mapping[str, str],
    plan: TestPlan,
) -> dict[str, Any]:
    """The result as JSON values: for each coder and control {"twin", "metrics", "sentences"}, and all `sentences`.

    pairs: {coder: {control: twin}}, names among `arms`. controls: their plans. refused: {twin: why there is none}.
    SparringError where there is no pair at all.
    """
    if not any(pairs.values()):
        raise SparringError("controls: none of the compared coders has a twin; name a control (see config/config.yaml)")
    found = {
        coder: {
            control: _pair(coder, arms[coder], twin, arms[twin], controls[control], plan)
            for control, twin in twins.items()
        }
        for coder, twins in pairs.items()
    }
    said = [sentence for of in found.values() for one in of.values() for sentence in one["sentences"]]
    head = {"format": FORMAT, "controls": {name: dict(control) for name, control in controls.items()}}
    ends = {"diff_is": DIFFERENCE, "seed": plan.seed, "resamples": plan.resamples}
    return dict(rounded({**head, **ends, "coders": found, "sentences": said, "refused": dict(refused)}))


def _pair(
    coder: str, trained: Measured, twin: str, random: Measured, control: Mapping[str, Any], plan: TestPlan
) -> dict[str, Any]:
    metrics = {
        "ve": _documents(trained.recon, random.recon, "ve"),
        "ce_recovered": _documents(trained.recon["model"], random.recon["model"], "ce_recovered"),
        **{name: _plain(trained.recon, random.recon, name) for name in ("l0", "dead_fraction")},
    }
    ours, theirs = trained.latents(), random.latents()
    metrics |= {name: _latents(ours[name], theirs[name], plan) for name in ours}
    said = [as_high(name, metrics[name], coder=coder, twin=twin, control=control) for name in SCORES]
    return {"twin": twin, "metrics": metrics, "sentences": [sentence for sentence in said if sentence]}


def _documents(trained: Mapping[str, Any], random: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A figure with an interval over documents in both results."""
    sides = {"trained": trained, "random": random}
    values = {side: of[name] for side, of in sides.items()}
    unknown = [side for side, value in values.items() if value is None]
    shown = {side: {"value": value, "ci95": sides[side][f"{name}_ci95"]} for side, value in values.items()}
    if unknown:
        return {**shown, "not_measured": f"{name} has no value for {' and '.join(unknown)}: zeros do no harm there"}
    a, b = shown["trained"], shown["random"]
    found: dict[str, Any] = {**shown, "unit": "documents", "diff": a["value"] - b["value"]}
    if a["ci95"] is None or b["ci95"] is None:
        return found | {"ci95": None}
    return found | {"ci95": list(difference_of(a["value"], a["ci95"], b["value"], b["ci95"]))}


def _plain(trained: Mapping[str, Any], random: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A figure without an interval."""
    shown = {side: {"value": of[name], "ci95": None} for side, of in (("trained", trained), ("random", random))}
    return {**shown, "unit": None, "diff": trained[name] - random[name], "ci95": None}


def _latents(trained: NDArray[np.float64], random: NDArray[np.float64], plan: TestPlan) -> dict[str, Any]:
    """A mean over latents."""
    sides = {"trained": trained, "random": random}
    if short := [f"{side} has {values.size}" for side, values in sides.items() if values.size < 2]:
        return {"not_measured": f"two latents with a readable score are needed; {' and '.join(short)}"}
    means = {side: bootstrap_mean(of, resamples=plan.resamples, seed=plan.seed) for side, of in sides.items()}
    found = bootstrap_diff_of_means(random, trained, resamples=plan.resamples, seed=plan.seed)
    sd = [float(values.std(ddof=1)) for values in sides.values()]
    return {
        **{side: {"value": of.estimate, "ci95": list(of.ci), "n": sides[side].size} for side, of in means.items()},
        "unit": "latents",
        "diff": found.estimate,
        "ci95": list(found.ci),
        "mde": minimum_detectable_effect(sd[0], trained.size, sd[1], random.size),
    }
