"""The score stage of the embedding scorer."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sparring.autointerp.embedded import read_embedded
from sparring.autointerp.judge import Judge
from sparring.autointerp.plan import ScorePlan
from sparring.autointerp.scorers.embedder import Embedder
from sparring.autointerp.stage import Arm, read_explanations, score_arm


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
    """Write scores.parquet for `arm` (autointerp/stage.py); the stage's meta.

    `explanations` is the folder of the explain stage, `scorer` that of the embedding model, `windows` that of the
    windows stage.
    """
    judged = Arm.open(arm, latents, draw, read_explanations(explanations))
    embedder = Embedder(scorer, layer=plan.layer, batch=plan.batch)
    judge = Judge(judged.protocol, read_embedded(windows), embedder, plan)
    meta = score_arm(judged, judge, metrics=plan.metrics, kinds=plan.explanations, seed=plan.seed, out=out)
    return {**meta, "plan": asdict(plan)}
