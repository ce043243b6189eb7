"""The unlearning stage (Farrell, Lau and Conmy 2024): a class's latents are ablated, and what that costs the model's
predictions of the class is held against what it costs other texts, and against random sets.

Only latents that are stronger in the class are ablated: the feature sets' |difference| also names latents that are
stronger in the others, and without these the model would forget the others.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sparring.canonical import rounded
from sparring.coders.coder import Coder
from sparring.cross_entropy import sequences_at_once
from sparring.feature_sets.means import token_means
from sparring.feature_sets.runs import Runs, first_block
from sparring.feature_sets.sets import Drawn, Latents, draw_sets
from sparring.patching import Means
from sparring.probing.contrasts import Contrast, balanced, contrast_of
from sparring.probing.labelled import read_task
from sparring.probing.means import mean_latents
from sparring.probing.plan import ProbingPlan
from sparring.probing.task_tokens import TaskTokens, task_tokens
from sparring.subject_model import load_subject
from sparring.unlearning.doubts import doubts, notes
from sparring.unlearning.effects import effects
from sparring.unlearning.forget import Forgetting, deltas, nats_per_token
from sparring.unlearning.plan import UnlearningPlan

_TEXTS = 16  # of a forward pass, where their logits allow it


def unlearning(
    subject: Path,
    coders: Mapping[str, Path],
    task: Path,
    task_rows: Path,
    *,
    plan: UnlearningPlan,
    probing: ProbingPlan,
    context: int,
) -> dict[str, Any]:
    """The result of one plan; `coders` are the folders of its arms. context: of the task.

    Raises SparringError for a class that the task does not have, or with fewer than two texts on a side.
    """
    texts = read_task(task)
    contrast = contrast_of(texts, plan.label, seed=probing.seed, key="unlearning.label")
    latents = [mean_latents(coders[arm], task_rows, len(texts.texts)) for arm in plan.arms]
    drawn = draw_sets(latents, contrast, plan, more=True)
    tested = balanced(contrast.test, plan.texts)
    tokens = task_tokens(subject, texts.texts, context=context).some(tested.texts)
    model = forgetting(subject, coders, task_rows, tokens, contrast, plan)
    found = effects(deltas(model, drawn, plan), model.clean(), tested.positive, plan)
    for size in plan.sizes:
        found["sizes"][str(size)] |= _held(drawn, [one[tested.texts] for one in latents], size, plan)
    result = found | {"plan": asdict(plan), "texts": {"train": len(contrast.train.texts), "test": len(tested.texts)}}
    return dict(rounded(result | {"doubts": doubts(result), "notes": notes(result)}))


def forgetting(
    subject: Path,
    coders: Mapping[str, Path],
    task_rows: Path,
    tokens: TaskTokens,
    contrast: Contrast,
    plan: UnlearningPlan,
) -> Forgetting:
    """The subject on the texts of `tokens`, with what stands in for a latent as the plan says."""
    model, made = load_subject(subject), [Coder.load(coders[arm]) for arm in plan.arms]
    at_once = min(_TEXTS, sequences_at_once(model, tokens.ids.shape[1]))
    means = [_level(one, task_rows, contrast, plan) for one in made]
    runs = Runs(model, tokens, nats_per_token(model), block=first_block(made), at_once=at_once)
    return Forgetting(runs, made, means, -plan.scale if plan.to == "negative" else 0.0)


def _level(coder: Coder, task_rows: Path, contrast: Contrast, plan: UnlearningPlan) -> Means:
    if plan.to == "mean":
        return token_means(coder, task_rows, contrast.train.texts)
    return Means(torch.zeros(coder.n_latents), torch.zeros(coder.decoder.shape[1]))


def _held(drawn: Drawn, tested: list[Latents], size: int, plan: UnlearningPlan) -> dict[str, Any]:
    """The latents of a set, strongest first, how many these are, and how many fire in none of the tested texts."""
    chosen = drawn.of(size)
    fires = [(one > 0).any(dim=0).numpy()[some] for one, some in zip(tested, chosen, strict=True)]
    return {
        "latents": {arm: [int(one) for one in some] for arm, some in zip(plan.arms, chosen, strict=True)},
        "held": sum(map(len, chosen)),
        "silent": sum(int((~one).sum()) for one in fires),
        "rate_mismatch": drawn.mismatch(size),
    }
