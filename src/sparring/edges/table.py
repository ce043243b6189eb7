"""All edges of a graph in one list: what each does, whether two ways of measuring agree, and which are found.

The figures of an edge are the mean over texts (strength), and the class's texts minus the others (effect). An edge is
found where its exact effect differs between the class and the others: p of the largest |t| over all edges, those to the
readout included, under permuted class labels.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from sparring.edges.measure import Measured
from sparring.stats.bootstrap import Vector, blocks, percentile_interval
from sparring.stats.max_t import max_t
from sparring.stats.rank_correlation import rank_correlation

TOP = 50  # edges, by attribution, that are compared by themselves
ALPHA = 0.05


class Edge(NamedTuple):
    """From a node (layer, number among its nodes) to a node of a later layer; the readout is node 0 of the last."""

    source: int
    u: int
    target: int
    v: int


class Table(NamedTuple):
    """Every edge; by way of measuring, its strength and effect in each text [text, edge]."""

    edges: list[Edge]
    strength: dict[str, np.ndarray]
    effect: dict[str, np.ndarray]
    positive: Bool[np.ndarray, " text"]
    readout: int
    """The number of the layer that is the readout."""

    @property
    def best_way(self) -> str:
        """The attribution that edges are ranked by: integrated gradients where there are."""
        return "integrated" if "integrated" in self.effect else "attribution"

    def mean_effect(self, way: str, texts: Bool[np.ndarray, " text"] | None = None) -> Float[np.ndarray, " edge"]:
        """Mean over the class's texts minus the others', of `texts` alone if given."""
        inside = np.ones(len(self.positive), dtype=bool) if texts is None else texts
        values = self.effect[way]
        return values[inside & self.positive].mean(axis=0) - values[inside & ~self.positive].mean(axis=0)

    def ranked(self, texts: Bool[np.ndarray, " text"]) -> list[Edge]:
        """Edges by |attributed effect| on some texts, largest first; those without any are left out."""
        size = np.abs(self.mean_effect(self.best_way, texts))
        return [self.edges[i] for i in np.argsort(-size, kind="stable") if size[i] > 0]

    def p(self, *, permutations: int, seed: int) -> Float[np.ndarray, " edge"]:
        """Of each edge's exact effect, adjusted for all edges."""
        if not self.edges:
            return np.ones(0)
        return max_t(self.effect["exact"], self.positive, permutations=permutations, seed=seed)

    def compared(self, *, resamples: int, seed: int) -> dict[str, Any]:
        """Attribution against ablation over the edges between latents: {figure: {way: {"all", "top", pairs}}}."""
        figures = {
            "strength": {way: values.mean(axis=0) for way, values in self.strength.items()},
            "effect": {way: self.mean_effect(way) for way in self.effect},
        }
        return {
            figure: {way: self._against(of[way], of["exact"], resamples, seed) for way in of if way != "exact"}
            for figure, of in figures.items()
        }

    def _against(self, quick: Vector, exact: Vector, resamples: int, seed: int) -> dict[str, Any]:
        pair_of = np.array([(edge.source, edge.target) for edge in self.edges]).reshape(-1, 2)
        pairs = [(a, b) for a, b in dict.fromkeys(map(tuple, pair_of.tolist())) if b != self.readout]
        groups = {pair: np.flatnonzero((pair_of == pair).all(axis=1)) for pair in pairs}
        latent = np.concatenate([*groups.values(), np.zeros(0, dtype=int)])
        top = latent[np.argsort(-np.abs(quick[latent]), kind="stable")[:TOP]]

        def of(each: Sequence[np.ndarray]) -> dict[str, Any]:
            both = [(quick[some], exact[some]) for some in each]
            rank = rank_correlation(both, resamples=resamples, seed=seed)
            at = np.concatenate([*each, np.zeros(0, dtype=int)])
            line = pearson(quick[at], exact[at], resamples=resamples, seed=seed)
            return {
                "edges": len(at),
                "spearman": None if rank is None else {"value": rank[0], "ci95": list(rank[1])},
                "pearson": None if line is None else {"value": line[0], "ci95": list(line[1])},
            }

        return {
            "all": of(list(groups.values())),
            "top": of([top]),
            "pairs": {f"{a}-{b}": of([some]) for (a, b), some in groups.items()},
        }


def table(measured: Measured, positive: Bool[np.ndarray, " text"], readout: int) -> Table:
    """The measured edges in one order: by pair of layers, then source, then target."""
    pairs = sorted(measured.edges["exact"])
    shapes = {pair: measured.edges["exact"][pair].strength.shape[1:] for pair in pairs}
    edges = [Edge(a, u, b, v) for a, b in pairs for u in range(shapes[a, b][0]) for v in range(shapes[a, b][1])]
    flat = {
        name: {
            way: np.concatenate([getattr(by[pair], name).reshape(len(positive), -1) for pair in pairs], axis=1)
            for way, by in measured.edges.items()
        }
        for name in ("strength", "effect")
    }
    return Table(edges, flat["strength"], flat["effect"], positive, readout)


def pearson(a: Vector, b: Vector, *, resamples: int, seed: int) -> tuple[float, tuple[float, float]] | None:
    """(correlation, interval over resampled units); None for fewer than four units or where one does not vary."""
    if len(a) < 4 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    rng, drawn = np.random.default_rng(seed), np.empty(resamples)
    for start, stop in blocks(resamples, len(a)):
        rows = rng.integers(0, len(a), (stop - start, len(a)))
        drawn[start:stop] = _correlations(a[rows], b[rows])
    return float(_correlations(a[None], b[None])[0]), percentile_interval(drawn[np.isfinite(drawn)], 0.95)


def _correlations(a: np.ndarray, b: np.ndarray) -> Vector:
    x, y = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray((x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1)))
