"""Which latents are judged: drawn by seed, stratified by log firing rate, listed and hashed before any score exists."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from sparring.autointerp.plan import DrawPlan
from sparring.autointerp.windows import Firings, Pools, Windows, cut_windows, fired_windows, pool_mask, split_pools
from sparring.canonical import digest, sha256_bytes
from sparring.errors import SparringError
from sparring.latent_cache import LatentCache


def stratified(
    rate: Float[np.ndarray, " latents"], *, draws: int, strata: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " drawn"], Int[np.ndarray, " drawn"]]:
    """Indices into `rate` drawn without replacement, as evenly as the strata allow, and the stratum of each.

    Strata are quantiles of log rate (the same cuts as quantiles of rate, cut by rank so that ties cannot empty one).
    """
    if draws > len(rate):
        raise SparringError(f"draw.latents is {draws}, but only {len(rate)} latents are eligible: draw fewer")
    rank = np.argsort(rate, kind="stable")
    chosen, stratum = [], []
    for index, (members, share) in enumerate(
        zip(np.array_split(rank, strata), np.array_split(np.arange(draws), strata), strict=True)
    ):
        chosen.append(rng.choice(members, size=len(share), replace=False))
        stratum.append(np.full(len(share), index))
    latents, strata_of = np.concatenate(chosen), np.concatenate(stratum)
    order = np.argsort(latents)
    return latents[order], strata_of[order]


def draw_arm(
    cache: Firings, windows: Windows, pools: Pools, *, plan: DrawPlan, rng: np.random.Generator
) -> dict[str, Any]:
    """Drawn latents, their strata and rates, and how many of all latents had each fate before the draw."""
    explainer, scorer = pool_mask(windows, pools.explainer), pool_mask(windows, pools.scorer)
    available = int(scorer.sum())
    fate: dict[str, int] = {"dead": 0, "too rare": 0, "dense": 0, "eligible": 0}
    eligible, rates = [], []
    counted = int(np.count_nonzero(cache.counted))
    for latent in range(cache.n_latents):
        firings = len(cache.of(latent)[0])
        fired = fired_windows(cache, windows, latent).window
        in_scorer = int(scorer[fired].sum())
        if firings == 0:
            fate["dead"] += 1
        elif min(in_scorer, int(explainer[fired].sum())) < plan.positives:
            fate["too rare"] += 1
        elif available - in_scorer < plan.negatives:
            fate["dense"] += 1
        else:
            fate["eligible"] += 1
            eligible.append(latent)
            rates.append(firings / counted)
    rate = np.array(rates, dtype=np.float64)
    chosen, strata = stratified(rate, draws=plan.latents, strata=plan.strata, rng=rng)
    return {
        "latents": [eligible[i] for i in chosen],
        "strata": strata.tolist(),
        "rates": rate[chosen].tolist(),
        "fates": {str(eligible[i]): "drawn" for i in chosen},
        "population": fate,
    }


def draw_latents(latents: Path, *, arm: str, plan: DrawPlan) -> dict[str, Any]:
    """The draw of one arm from its latents on the evaluated split, with its digest.

    Each arm has its own stream of chance, from the seed and the arm's name, so that adding an arm moves no other.
    """
    cache = LatentCache(latents)
    windows = cut_windows(cache.counted, cache.document, plan.window)
    pools = split_pools(cache.document, share=plan.explainer_share, seed=plan.seed)
    rng = np.random.default_rng([plan.seed, int(sha256_bytes(arm.encode())[:8], 16)])
    try:
        drawn = draw_arm(cache, windows, pools, plan=plan, rng=rng)
    except SparringError as error:
        raise SparringError(f"arm {arm}: {error}") from None
    return {
        "arm": arm,
        **drawn,
        "plan": asdict(plan),
        "pools": pools.meta(),
        "digest": digest({"latents": drawn["latents"], "plan": asdict(plan)}),
    }
