"""What every score stage does, whoever the scorer is: each drawn latent's explanations judged on the same examples."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from sparring.autointerp.asked import EMPTY, Asked, Explanation, Scorer
from sparring.autointerp.baseline import bag_of_words
from sparring.autointerp.canary import canary, changed
from sparring.autointerp.checks import checks, token_entropies
from sparring.autointerp.examples import Examples, Protocol, draw_examples
from sparring.autointerp.explain import repeated, require_no_leak
from sparring.autointerp.plan import BAG_OF_WORDS, draw_plan_of
from sparring.autointerp.rows import example_rows, to_table
from sparring.errors import SparringError
from sparring.latent_cache import LatentCache
from sparring.progress import progress

Explanations = Mapping[str, Mapping[str, Explanation]]
"""By kind (real, oracle), then latent."""


@dataclass(frozen=True)
class Arm:
    """One arm's drawn latents, with what they are judged on and what is said of them."""

    name: str
    draw: Mapping[str, Any]
    protocol: Protocol
    examples: Mapping[int, Examples]
    made: Explanations

    @classmethod
    def open(cls, name: str, latents: Path, draw: Mapping[str, Any], made: Explanations) -> "Arm":
        """SparringError if explanations are missing, or were made from documents they would be judged on."""
        protocol = Protocol.of(LatentCache(latents), draw_plan_of(draw))
        drawn = [int(latent) for latent in draw["latents"]]
        for kind in ("real", "oracle"):
            if lost := [latent for latent in drawn if str(latent) not in made.get(kind, {})]:
                raise SparringError(
                    f"latent {lost[0]} was drawn but has no {kind} explanation: explain this draw again"
                )
        require_no_leak(made["real"], protocol.pools.scorer)
        return cls(name, draw, protocol, {latent: draw_examples(protocol, latent) for latent in drawn}, made)


def read_explanations(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """What an explain stage wrote into the folder `path`."""
    made: dict[str, dict[str, dict[str, Any]]] = json.loads((path / "explanations.json").read_text(encoding="utf-8"))
    return made


def derangement(n: int, rng: np.random.Generator) -> list[int]:
    """A uniformly drawn single cycle over 0..n-1 (Sattolo 1986): nobody keeps their own. SparringError below two."""
    if n < 2:
        raise SparringError(f"draw.latents is {n}: shuffled explanations need at least 2 latents")
    order = list(range(n))
    for last in range(n - 1, 0, -1):
        other = int(rng.integers(last))
        order[last], order[other] = order[other], order[last]
    return order


def controls(drawn: Sequence[int], *, seed: int, checked: int | None) -> tuple[dict[int, int], set[int]]:
    """Whose explanation each latent is lent when they are shuffled, and which `checked` latents (None: all) have
    explanations that are not real judged as well."""
    rng = np.random.default_rng(seed)
    lent = {latent: drawn[i] for latent, i in zip(drawn, derangement(len(drawn), rng), strict=True)}
    return lent, set(rng.permutation(drawn)[:checked].tolist())


def score_arm(
    arm: Arm,
    scorer: Scorer,
    *,
    metrics: tuple[str, ...],
    kinds: tuple[str, ...],
    seed: int,
    out: Path,
    checked: int | None = None,
) -> dict[str, Any]:
    """Write scores.parquet, one row a latent, metric, kind of explanation and example, into `out`; the stage's meta.

    checked: the number of latents, drawn by seed, on which explanations that are not real are judged (default: all).
    """
    drawn = list(arm.examples)
    lent, control = controls(drawn, seed=seed, checked=checked)
    named, asked = [], []
    for latent in drawn:
        for kind in kinds:
            if kind != "real" and latent not in control:
                continue
            by = lent[latent] if kind == "shuffled" else latent
            explanation = EMPTY if kind == "empty" else arm.made["oracle" if kind == "oracle" else "real"][str(by)]
            for metric in metrics:
                named.append({"arm": arm.name, "latent": latent, "explanation": kind, "explained_by": by})
                asked.append(Asked.of(metric, arm.examples[latent], explanation))
    tried = canary(scorer.ask)
    scores = scorer.score(asked, desc=f"score {arm.name}")
    rows = [
        row
        for columns, one, score in zip(named, asked, scores, strict=True)
        for row in example_rows(arm.protocol, one, score, **columns)
    ]
    table = to_table(rows + _baseline(arm))
    pq.write_table(table, out / "scores.parquet", compression="zstd")
    noted = checks(arm.protocol, rows, arm.examples)
    swapped = changed(tried, canary(scorer.ask), tolerance=scorer.tolerance)
    noted["gates"]["answers to the canary that changed while it was scored"] = swapped
    return {
        "arm": arm.name,
        "scorer": dict(scorer.meta),
        "draw_digest": arm.draw["digest"],
        "pools": arm.protocol.pools.meta(),
        "rows": table.num_rows,
        **noted,
        **repeated({latent: explanation["text"] for latent, explanation in arm.made["real"].items()}),
        "token_entropy": token_entropies(arm.protocol, drawn),
        "canary": tried | {"tolerance": scorer.tolerance},
    }


def _baseline(arm: Arm) -> list[dict[str, Any]]:
    """The rows of the bag of words, which stands where an explanation stands."""
    rows = []
    with progress(len(arm.examples), desc=f"bag of words {arm.name}", unit="latent") as bar:
        for latent, examples in arm.examples.items():
            columns = {"arm": arm.name, "latent": latent, "explanation": BAG_OF_WORDS, "explained_by": latent}
            score = bag_of_words(arm.protocol, examples, latent)
            rows += example_rows(arm.protocol, Asked.of("detection", examples, EMPTY), score, **columns)
            bar.update(1)
    return rows
