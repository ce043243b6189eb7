"""Margins of the readout under every ablation, as shares of what ablating every latent takes away."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sparring.feature_sets.plan import FeatureSetPlan
from sparring.feature_sets.sets import Drawn
from sparring.stats.margins import Margin, figure, share

_STEP = 4  # beyond the plan's sizes, the curve has one so many times as large as the last


def curve_sizes(drawn: Drawn, plan: FeatureSetPlan) -> list[int]:
    """The plan's sizes, then further ones short of all latents of the widest coder."""
    sizes, widest = sorted(plan.sizes), max(map(len, drawn.orders))
    while sizes[-1] * _STEP < widest:
        sizes.append(sizes[-1] * _STEP)
    return sizes


def shares(at: Mapping[str, Margin], drawn: Drawn, plan: FeatureSetPlan, *, n: int, seen: bool) -> dict[str, Any]:
    """{"empty", "effect", "sizes": {size: {"faithfulness", "random", "gap", "complement", "completeness"[,
    "build_up"]}}, "curve": {size or "all": faithfulness}} of one switch, every figure {"value", "ci95", "n"}.

    at: "clean", "empty", "all", "set SIZE", "random SIZE I", "complement SIZE" and, of several coders, "build_up SIZE
    DEPTH". n: texts. seen: whether the readout tells the class. Where it does not, or the effect m(M) - m(empty) is not
    told from 0, shares are None: there is nothing to be faithful to. random: sets are resampled as well as texts.
    """
    effect = at["clean"].minus(at["empty"])
    sensible = seen and effect.interval()[0] > 0

    def of(name: str) -> Margin | None:
        return share(at[name], at["empty"], at["clean"]) if sensible and name in at else None

    sizes = {}
    for size in plan.sizes:
        mine, rest = of(f"set {size}"), of(f"complement {size}")
        each = [one for i in range(plan.random_faithful) if (one := of(f"random {size} {i}"))]
        twins = Margin.average(each, np.random.default_rng(plan.seed)) if each else None
        spread = float(np.std([one.estimate for one in each])) if each else None
        sizes[str(size)] = {
            "faithfulness": figure(mine, n),
            "random": figure(twins, n) | {"sd_over_sets": spread, "sets": plan.random_faithful},
            "gap": figure(mine.minus(twins) if mine and twins else None, n),
            "complement": figure(rest, n),
            "completeness": figure(rest and Margin(1 - rest.estimate, 1 - rest.drawn), n),
        }
        if f"build_up {size} 1" in at:
            parts = {depth: of(f"build_up {size} {depth}") for depth in range(1, len(plan.arms))}
            names = {depth: "+".join(plan.arms[:depth]) for depth in (*parts, len(plan.arms))}
            sizes[str(size)]["build_up"] = {names[depth]: figure(one, n) for depth, one in parts.items()}
            sizes[str(size)]["build_up"][names[len(plan.arms)]] = figure(mine, n)
    curve = {str(size): figure(of(f"set {size}"), n) for size in curve_sizes(drawn, plan)}
    return {
        "empty": figure(at["empty"], n),
        "effect": figure(effect, n),
        "sizes": sizes,
        "curve": curve | {"all": figure(of("all"), n)},
    }
