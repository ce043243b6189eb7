"""Sets of latents: the strongest of each coder for one class, and random ones that fire as often.

A random twin of a set holds, for each latent of it, another of the same coder with about the same firing rate: what is
left is the choice itself, not that frequent latents tell more. Firing rate: the share of training texts in which a
latent fires at all.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from sparring.errors import SparringError
from sparring.feature_sets.plan import SetsPlan
from sparring.probing.contrasts import Contrast
from sparring.probing.probe import Figures, Labels, mean_difference, strongest

_NEAREST = 20  # of which one is drawn

# Widths and sizes differ from coder to coder, so that these axes have no name.
Latents = Float[Tensor, "text _"]
Rates = Float[np.ndarray, "_"]
Columns = list[Int[np.ndarray, "_"]]
"""Latents of each coder."""


class Drawn(NamedTuple):
    """The sets of a plan. orders: latents of each coder, strongest first; rates: of all; twins: {size: sets}."""

    orders: Columns
    rates: list[Rates]
    twins: dict[int, list[Columns]]

    def of(self, size: int) -> Columns:
        """The `size` strongest latents of each coder, or all that there are to choose from."""
        return [order[:size] for order in self.orders]

    def dead(self, size: int) -> int:
        """How many of them fire in no training text."""
        return sum(int((rate[mine] == 0).sum()) for rate, mine in zip(self.rates, self.of(size), strict=True))

    def mismatch(self, size: int) -> float:
        """Mean |difference| of firing rate between the sets' latents and their twins', over latents and sets."""
        apart = [
            np.abs(rate[mine] - rate[other])
            for twin in self.twins[size]
            for rate, mine, other in zip(self.rates, self.of(size), twin, strict=True)
        ]
        every = np.concatenate(apart)
        return float(every.mean()) if every.size else 0.0


def draw_sets(coders: Sequence[Latents], contrast: Contrast, plan: SetsPlan, *, more: bool = False) -> Drawn:
    """The sets by the largest |difference of class means| on the training texts, and `plan.random_sets` twins of each.

    more: of the latents with a higher mean in the class alone; a set may then be short of its size, or empty.
    Raises SparringError for a size that a coder has too few latents for.
    """
    train, positive = contrast.train
    rates = [(latents[train] > 0).double().mean(dim=0).numpy() for latents in coders]
    fewest = min(len(rate) for rate in rates)
    if 2 * max(plan.sizes) > fewest:
        raise SparringError(
            f"{plan.key}.sizes: {max(plan.sizes)} of {fewest} latents leave too few for a random set; lower it"
        )
    orders = [_order(latents[train], positive, more=more) for latents in coders]
    drawn = Drawn(orders, rates, {})
    for size in plan.sizes:
        rng = np.random.default_rng([plan.seed, size])
        drawn.twins[size] = [twin_set(rates, drawn.of(size), rng) for _ in range(plan.random_sets)]
    return drawn


def _order(x: Figures, positive: Labels, *, more: bool) -> Int[np.ndarray, "_"]:
    order = strongest(x, positive, x.shape[1])
    return order[mean_difference(x, positive).numpy()[order] > 0] if more else order


def twin_set(rates: Sequence[Rates], chosen: Columns, rng: np.random.Generator) -> Columns:
    """For each chosen latent, in its place, one of the 20 others nearest to it in firing rate, each at most once."""
    found = []
    for rate, mine in zip(rates, chosen, strict=True):
        free = np.ones(len(rate), dtype=bool)
        free[mine] = False
        twin = np.empty(len(mine), dtype=np.int64)
        for place in rng.permutation(len(mine)):
            there = np.flatnonzero(free)
            near = there[np.argsort(np.abs(rate[there] - rate[mine[place]]), kind="stable")[:_NEAREST]]
            twin[place] = rng.choice(near)
            free[twin[place]] = False
        found.append(twin)
    return found
