"""What ablating a set costs the class, the other texts, and the class beyond the others, against random sets.

A text counts as much as any other: the interval is over texts. The same texts are drawn for every set, and for random
sets the sets are drawn as well.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool

from sparring.stats.margins import Logits, Margin, figure, sides
from sparring.unlearning.plan import UnlearningPlan

SIDES = ("class", "others", "selectivity")


def effects(
    deltas: Mapping[str, Logits], clean: Logits, positive: Bool[np.ndarray, " text"], plan: UnlearningPlan
) -> dict[str, Any]:
    """{"clean": {side: CE}, "sizes": {size: {"class", "others", "selectivity": {"set", "random", "gap"},
    "selective"}}}.

    deltas: "set SIZE", "random SIZE I". Figures are {"value", "ci95", "n"}, in nats a token; selectivity: class minus
    others; gap: the set minus the mean of the random sets. selective: the set costs the class something, more than it
    costs the others, and more so than random sets do, each with an interval above 0.
    """
    numbers = dict(zip(SIDES, (int(positive.sum()), int((~positive).sum()), len(positive)), strict=True))
    both = sides({"clean": clean, **deltas}, positive, resamples=plan.resamples, seed=plan.seed)
    at = {name: dict(zip(SIDES, (*pair, pair[0].minus(pair[1])), strict=True)) for name, pair in both.items()}
    sizes = {}
    for size in plan.sizes:
        of: dict[str, Any] = {}
        for side, n in numbers.items():
            mine, each = at[f"set {size}"][side], [at[f"random {size} {i}"][side] for i in range(plan.random_sets)]
            twins = Margin.average(each, np.random.default_rng(plan.seed))
            of[side] = {
                "set": figure(mine, n),
                "random": figure(twins, n) | {"sd_over_sets": float(np.std([one.estimate for one in each]))},
                "gap": figure(mine.minus(twins), n),
            }
        above = (of["class"]["set"], of["selectivity"]["set"], of["selectivity"]["gap"])
        sizes[str(size)] = of | {"selective": all(one["ci95"][0] > 0 for one in above)}
    return {"clean": {side: figure(at["clean"][side], numbers[side]) for side in SIDES[:2]}, "sizes": sizes}
