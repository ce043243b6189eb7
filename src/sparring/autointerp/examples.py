"""The examples one latent is judged on: a function of the cache, the draw's plan and the latent alone.

Any stage can ask again and gets the same ones: the scorer judges them, the oracle keeps its contexts out of them.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from sparring.autointerp.marks import false_marks
from sparring.autointerp.plan import DrawPlan
from sparring.autointerp.windows import Firings, Pools, Windows, cut_windows, fired_windows, pool_mask, split_pools


@dataclass(frozen=True)
class Protocol:
    """What the examples of every latent of an arm have in common."""

    cache: Firings
    windows: Windows
    pools: Pools
    in_scorer: Bool[np.ndarray, " windows"]
    commonness: Float[np.ndarray, " vocabulary"]
    """Log of one plus how often each token stands in the split: what false marks are matched on."""
    plan: DrawPlan

    @classmethod
    def of(cls, cache: Firings, plan: DrawPlan) -> "Protocol":
        """Windows and pools as the draw made them."""
        windows = cut_windows(cache.counted, cache.document, plan.window)
        pools = split_pools(cache.document, share=plan.explainer_share, seed=plan.seed)
        seen = np.bincount(cache.tokens[cache.counted.astype(bool)].astype(np.int64))
        size = int(cache.tokens.max()) + 1
        commonness = np.log1p(np.pad(seen, (0, size - len(seen))).astype(np.float64))
        return cls(cache, windows, pools, pool_mask(windows, pools.scorer), commonness, plan)

    def tokens(self, window: Int[np.ndarray, " n"]) -> Int[np.ndarray, "n window"]:
        """Token ids of the given windows."""
        span = np.arange(self.windows.size)
        return self.cache.tokens[self.windows.sequence[window, None], self.windows.start[window, None] + span].astype(
            np.int64
        )


@dataclass(frozen=True)
class Examples:
    """Scorer-pool windows of one latent: `positive` ones, firing at `true` (peak value `peak`), and silent ones.

    Row `i` of `false` marks positive window `i` wrongly, where `placed[i]`; see marks.py.
    """

    positive: Int[np.ndarray, " positives"]
    peak: Float[np.ndarray, " positives"]
    negative: Int[np.ndarray, " negatives"]
    true: Bool[np.ndarray, "positives window"]
    false: Bool[np.ndarray, "positives window"]
    shift: Int[np.ndarray, " positives"]

    @property
    def placed(self) -> Bool[np.ndarray, " positives"]:
        """Where a false pattern could be put."""
        return np.asarray(self.false.any(axis=1))


def draw_examples(protocol: Protocol, latent: int) -> Examples:
    """Positives from the strongest `upper` share of the scorer pool's firing windows, negatives from its silent ones.

    Both without replacement, from a stream of chance that belongs to this latent.
    """
    plan, windows = protocol.plan, protocol.windows
    rng = np.random.default_rng([plan.seed, latent])
    fired = fired_windows(protocol.cache, windows, latent)
    here = protocol.in_scorer[fired.window]
    window, peak = fired.window[here], fired.peak[here]
    keep = max(plan.positives, int(np.ceil(plan.upper * len(window))))
    strongest = np.sort(np.argsort(-peak, kind="stable")[:keep])
    chosen = np.sort(rng.choice(strongest, size=plan.positives, replace=False))
    silent = np.setdiff1d(np.flatnonzero(protocol.in_scorer), window)
    negative = np.sort(rng.choice(silent, size=plan.negatives, replace=False))
    true = window_values(protocol, latent, window[chosen]) > 0
    false, shift = false_marks(true, protocol.commonness[protocol.tokens(window[chosen])])
    return Examples(window[chosen], peak[chosen], negative, true, false, shift)


def window_values(protocol: Protocol, latent: int, window: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n window"]:
    """The values of `latent` in each of the given windows, 0 where it does not fire."""
    sequence, position, value = protocol.cache.of(latent)
    size = protocol.windows.size
    slot = position.astype(np.int64) // size
    inside = slot < protocol.windows.lookup.shape[1]
    row = protocol.windows.lookup[sequence[inside], slot[inside]]
    values = np.zeros((len(window), size))
    order = np.argsort(window)
    place = np.minimum(np.searchsorted(window[order], row), len(window) - 1)
    hit = window[order][place] == row
    values[order[place[hit]], position[inside][hit] % size] = value[inside][hit]
    return values
