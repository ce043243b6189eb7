"""The score stage of a language model."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sparring.autointerp.plan import AskPlan
from sparring.autointerp.scorers.llm import LlmScorer
from sparring.autointerp.stage import Arm, read_explanations, score_arm
from sparring.autointerp.text import TokenText
from sparring.llm.answers import Asker
from sparring.llm.engine import Engine


def llm_score(
    latents: Path,
    subject: Path,
    draw: Mapping[str, Any],
    explanations: Path,
    written: Path | None,
    arm: str,
    *,
    engine: Engine,
    plan: AskPlan,
    answers: Path,
    out: Path,
) -> dict[str, Any]:
    """Write scores.parquet for `arm` (autointerp/stage.py); the stage's meta.

    `explanations` is the folder of the explain stage (token lists), `written` that of the model's own explanations
    where those are judged; `answers` keeps what `engine` has answered.
    """
    made = read_explanations(explanations)
    if written is not None:
        made["real"] = read_explanations(written)["real"]
    judged = Arm.open(arm, latents, draw, made)
    scorer = LlmScorer(judged.protocol, TokenText(subject), Asker(engine, answers), plan)
    meta = score_arm(
        judged,
        scorer,
        metrics=plan.metrics,
        kinds=plan.explanations,
        seed=plan.seed,
        checked=plan.checked,
        out=out,
    )
    return {**meta, "plan": asdict(plan)}
