"""Faithfulness against the number of edges, for the edges ranked first and for random ones between the same layers."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float

from sparring.edges.network import Network
from sparring.edges.plan import EdgesPlan
from sparring.edges.pruned import Pruned
from sparring.edges.table import Edge
from sparring.probing.task_tokens import TaskTokens
from sparring.progress import progress
from sparring.stats.margins import figure, margins, share

CLEAN, EMPTY, ALL = "clean", "empty", "all"


class Tried(NamedTuple):
    """Margins [text] under sets of edges, by the set's name, and how it was come by."""

    margins: dict[str, Float[np.ndarray, " text"]]
    sizes: list[int]
    passes: int
    """Forward passes, each over all the texts."""


def random_like(edges: Sequence[Edge], of: Sequence[Edge], rng: np.random.Generator) -> list[Edge]:
    """As many edges of `of` between each two layers as `edges` has."""
    found = []
    for pair, number in sorted(Counter((edge.source, edge.target) for edge in edges).items()):
        there = [edge for edge in of if (edge.source, edge.target) == pair]
        found += [there[i] for i in sorted(rng.choice(len(there), size=number, replace=False))]
    return found


def try_sizes(
    network: Network, texts: TaskTokens, ranked: Sequence[Edge], every: Sequence[Edge], plan: EdgesPlan
) -> Tried:
    """The margins of the texts in the clean model, without edges, with all, and with as many as the plan's sizes."""
    sizes = [size for size in plan.sizes if size < len(ranked)]
    sets: dict[str, Sequence[Edge]] = {EMPTY: [], ALL: every}
    for size in sizes:
        sets[str(size)] = ranked[:size]
        for number in range(plan.random_sets):
            rng = np.random.default_rng([plan.seed, size, number])
            sets[f"{size} random {number}"] = random_like(ranked[:size], every, rng)
    found: dict[str, list[torch.Tensor]] = {name: [] for name in (CLEAN, *sets)}
    passes = 0
    with progress(len(sets) * len(texts.ids), desc="pruned graphs", unit="text") as bar:
        for clean in network.clean(texts):
            pruned = Pruned(network, clean, others_stay=plan.others == "stay", errors_stay=plan.errors == "stay")
            found[CLEAN].append(clean.margins)
            for name, edges in sets.items():
                found[name].append(pruned.margins(edges))
                bar.update(len(clean.ids))
            passes = pruned.passes
    return Tried(
        {name: torch.cat(parts).double().cpu().numpy() for name, parts in found.items()}, sizes, passes
    )  # fmt: skip


class Curve(NamedTuple):
    """JSON values, and whether the clean margin is told from that without edges."""

    values: dict[str, Any]
    told_apart: bool


def curve(tried: Tried, positive: Bool[np.ndarray, " text"], plan: EdgesPlan) -> Curve:
    """Margins and faithfulness (m(E) - m(empty)) / (m(clean) - m(empty)), with intervals over texts."""
    conditions = {name: tried.margins[name] for name in (CLEAN, EMPTY, ALL, *map(str, tried.sizes))}
    for size in tried.sizes:
        each = [tried.margins[f"{size} random {number}"] for number in range(plan.random_sets)]
        conditions[f"{size} random"] = np.mean(each, axis=0)
    found = margins(conditions, positive, resamples=plan.resamples, seed=plan.seed)
    gap = found[CLEAN].minus(found[EMPTY])
    low, high = gap.interval()
    told_apart = not low <= 0 <= high

    def faithful(name: str) -> dict[str, Any] | None:
        return figure(share(found[name], found[EMPTY], found[CLEAN]), len(positive)) if told_apart else None

    points = [
        {
            "edges": size,
            "margin": figure(found[str(size)], len(positive)),
            "faithfulness": faithful(str(size)),
            "random": faithful(f"{size} random"),
        }
        for size in tried.sizes
    ]
    values = {
        "clean": figure(found[CLEAN], len(positive)),
        "empty": figure(found[EMPTY], len(positive)),
        "clean - empty": figure(gap, len(positive)),
        "all": {"margin": figure(found[ALL], len(positive)), "faithfulness": faithful(ALL)},
        "points": points,
        "others": plan.others,
        "errors": plan.errors,
        "random_sets": plan.random_sets,
        "passes": tried.passes,
    }
    return Curve(values, told_apart)
