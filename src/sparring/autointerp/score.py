"""The score stage: every drawn latent's explanations, real, shuffled and oracle, judged on the same examples."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from sparring.autointerp.baseline import bag_of_words
from sparring.autointerp.canary import canary
from sparring.autointerp.embedded import read_embedded
from sparring.autointerp.examples import Examples, Protocol, draw_examples
from sparring.autointerp.explain import repeated, require_no_leak
from sparring.autointerp.judge import Judge
from sparring.autointerp.marks import tell_auroc
from sparring.autointerp.plan import BAG_OF_WORDS, ScorePlan, draw_plan_of
from sparring.autointerp.rows import latent_rows, to_table
from sparring.autointerp.scorers.embedder import Embedder
from sparring.autointerp.scorers.embedding import NAME
from sparring.errors import SparringError
from sparring.latent_cache import LatentCache
from sparring.progress import progress

TELL_GATE = 0.55


def derangement(n: int, rng: np.random.Generator) -> list[int]:
    """A uniformly drawn single cycle over 0..n-1 (Sattolo 1986): nobody keeps their own. SparringError below two."""
    if n < 2:
        raise SparringError(f"draw.latents is {n}: shuffled explanations need at least 2 latents")
    order = list(range(n))
    for last in range(n - 1, 0, -1):
        other = int(rng.integers(last))
        order[last], order[other] = order[other], order[last]
    return order


def score(
    latents: Path,
    draw: Mapping[str, Any],
    explanations: Path,
    arm: str,
    scorer: Path,
    windows: Path,
    *,
    plan: ScorePlan,
    out: Path,
) -> dict[str, Any]:
    """Write scores.parquet (one row a latent, metric, kind of explanation and example) for `arm`; the stage's meta.

    `explanations` is the folder of the explain stage, `scorer` that of the embedding model, `windows` that
    of the windows stage. Raises SparringError if
    explanations are missing, or were made from documents they would be judged on.
    """
    cache = LatentCache(latents)
    protocol = Protocol.of(cache, draw_plan_of(draw))
    drawn = [int(latent) for latent in draw["latents"]]
    made = read_explanations(explanations / "explanations.json", drawn)
    require_no_leak(made["real"], protocol.pools.scorer)
    examples = {latent: draw_examples(protocol, latent) for latent in drawn}
    embedder = Embedder(scorer, layer=plan.layer, batch=plan.batch)
    judge = Judge(protocol, read_embedded(windows), embedder, examples, made, plan)
    rng = np.random.default_rng(plan.seed)
    lent = {latent: drawn[i] for latent, i in zip(drawn, derangement(len(drawn), rng), strict=True)}
    rows: list[dict[str, Any]] = []
    baseline: list[dict[str, Any]] = []
    with progress(len(drawn), desc=f"score {arm}", unit="latent") as bar:
        for latent in drawn:
            for kind in plan.explanations:
                source, by = (
                    ("oracle" if kind == "oracle" else "real"),
                    (lent[latent] if kind == "shuffled" else latent),
                )
                fit = judge.fit(latent, source, by)
                for metric in plan.metrics:
                    rows += latent_rows(
                        protocol,
                        examples[latent],
                        fit,
                        metric=metric,
                        arm=arm,
                        latent=latent,
                        explanation=kind,
                        explained_by=by,
                    )
            words = bag_of_words(protocol, examples[latent], latent)[:, None]
            split = len(examples[latent].positive)
            baseline += latent_rows(
                protocol,
                examples[latent],
                (words[:split], words[split:]),
                metric="detection",
                arm=arm,
                latent=latent,
                explanation=BAG_OF_WORDS,
                explained_by=latent,
            )
            bar.update(1)
    table = to_table(rows + baseline)
    pq.write_table(table, out / "scores.parquet", compression="zstd")
    return {
        "arm": arm,
        "scorer": {"name": NAME, **embedder.meta, "sharpness": plan.sharpness, "weight": plan.weight},
        "plan": asdict(plan),
        "draw_digest": draw["digest"],
        "pools": protocol.pools.meta(),
        "rows": table.num_rows,
        **_checks(protocol, rows, examples),
        **repeated({latent: explanation["text"] for latent, explanation in made["real"].items()}),
        "token_entropy": token_entropies(protocol, drawn),
        "canary": canary(judge.ask),
    }


def read_explanations(path: Path, drawn: list[int]) -> dict[str, dict[str, dict[str, Any]]]:
    """The real and oracle explanations of the drawn latents; SparringError naming a latent that has none."""
    made: dict[str, dict[str, dict[str, Any]]] = json.loads(path.read_text(encoding="utf-8"))
    for kind in ("real", "oracle"):
        for latent in drawn:
            if str(latent) not in made.get(kind, {}):
                raise SparringError(f"latent {latent} was drawn but has no {kind} explanation: explain this draw again")
    return made


def _checks(protocol: Protocol, rows: list[dict[str, Any]], examples: Mapping[int, Examples]) -> dict[str, Any]:
    """What can be told without the explanations, what could not be read, and each latent's fate."""
    marks = np.concatenate([np.vstack([shown.true, shown.false[shown.placed]]) for shown in examples.values()])
    label = np.concatenate(
        [np.arange(len(shown.true) + shown.placed.sum()) < len(shown.true) for shown in examples.values()]
    )
    group = np.repeat(list(examples), [len(shown.true) + int(shown.placed.sum()) for shown in examples.values()])
    tell = tell_auroc(marks, label, group)
    unread = Counter(row["latent"] for row in rows if np.isnan(row["score"]))
    total = Counter(row["latent"] for row in rows)
    lost = sum(unread[latent] == total[latent] for latent in examples)
    shifted = sum(int((shown.shift[shown.placed] > 0).sum()) for shown in examples.values())
    leaked = protocol.pools.explainer & protocol.pools.scorer
    return {
        "fates": {"scored": len(examples) - lost, "unreadable": lost},
        "parse_rate": 1.0 - sum(unread.values()) / max(1, len(rows)),
        "unreadable_examples": sum(unread.values()),
        "tell_auroc": tell,
        "shifted_marks": shifted,
        "unplaced_marks": sum(int((~shown.placed).sum()) for shown in examples.values()),
        "gates": {
            "documents in both pools": len(leaked),
            f"marks alone tell the fuzz label (AUROC over {TELL_GATE})": int(tell is not None and tell >= TELL_GATE),
        },
    }


def token_entropies(protocol: Protocol, drawn: list[int]) -> dict[str, float]:
    """Bits of the distribution of each latent's activation over token ids, all documents: 0 is one token."""
    found = {}
    for latent in drawn:
        sequence, position, value = protocol.cache.of(latent)
        mass = np.bincount(protocol.cache.tokens[sequence, position].astype(np.int64), weights=value.astype(np.float64))
        share = mass[mass > 0] / mass.sum()
        found[str(latent)] = round(float(-(share * np.log2(share)).sum()), 4)
    return found
