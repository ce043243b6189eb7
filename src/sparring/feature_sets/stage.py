"""The feature-set stage: sets of several sizes, what they tell of a class, and how faithful the model stays to itself
with them alone."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sparring.canonical import rounded
from sparring.coders.coder import Coder
from sparring.feature_sets.accuracy import compare_sets
from sparring.feature_sets.doubts import doubts, notes
from sparring.feature_sets.faithful import Ablated, faithfulness
from sparring.feature_sets.means import token_means
from sparring.feature_sets.plan import FeatureSetPlan
from sparring.feature_sets.runs import Runs, first_block, mean_rows_at
from sparring.feature_sets.sets import Latents, draw_sets
from sparring.probing.contrasts import Contrast, balanced, contrast_of
from sparring.probing.labelled import LabelledTexts, read_task
from sparring.probing.means import mean_latents
from sparring.probing.plan import ProbingPlan
from sparring.probing.probe import mean_difference
from sparring.probing.readout import fit_readout
from sparring.probing.task_tokens import task_tokens
from sparring.subject_model import load_subject


def feature_sets(
    subject: Path,
    coders: Mapping[str, Path],
    task: Path,
    task_rows: Path,
    *,
    plan: FeatureSetPlan,
    probing: ProbingPlan,
    readout: str,
    context: int,
) -> dict[str, Any]:
    """The result of one plan; `coders` are the folders of its arms. readout: of `readout_of`; context: the task's.

    Raises SparringError for a class that the task does not have, or with fewer than two texts on a side.
    """
    texts = read_task(task)
    contrast = contrast_of(texts, plan.label, seed=probing.seed, key="feature_sets.label")
    latents = {arm: mean_latents(coders[arm], task_rows, len(texts.texts)) for arm in plan.arms}
    drawn = draw_sets(list(latents.values()), contrast, plan)
    result = compare_sets(latents, contrast, drawn, plan) | {
        "examples": {"train": len(contrast.train.texts), "test": len(contrast.test.texts)},
        "varies": _varies(latents, contrast),
        "plan": asdict(plan),
    }
    model = ablated_model(subject, coders, texts, task_rows, contrast, plan=plan, readout=readout, context=context)
    result["faithfulness"] = {"site": readout} | faithfulness(model, drawn, plan)
    return dict(rounded(result | {"doubts": doubts(result), "notes": notes(result)}))


def ablated_model(
    subject: Path,
    coders: Mapping[str, Path],
    texts: LabelledTexts,
    task_rows: Path,
    contrast: Contrast,
    *,
    plan: FeatureSetPlan,
    readout: str,
    context: int,
) -> Ablated:
    """The subject on test texts of the contrast, with means and a readout from its training texts."""
    model, made = load_subject(subject), [Coder.load(coders[arm]) for arm in plan.arms]
    tokens = task_tokens(subject, texts.texts, context=context)
    outcome = mean_rows_at(model, readout)
    learnt = Runs(model, tokens.some(contrast.train.texts), outcome).clean
    tested = balanced(contrast.test, plan.faithful_texts)
    return Ablated(
        Runs(model, tokens.some(tested.texts), outcome, block=first_block(made)),
        made,
        [token_means(one, task_rows, contrast.train.texts) for one in made],
        fit_readout(learnt, contrast.train.positive),
        tested.positive,
    )


def _varies(latents: Mapping[str, Latents], contrast: Contrast) -> bool:
    train, positive = contrast.train
    return any(bool(mean_difference(one[train], positive).any()) for one in latents.values())
