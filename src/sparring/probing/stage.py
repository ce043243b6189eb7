"""The probing stage: what probes make of an arm's latents, against fair baselines and against its random controls.

The arm and each control are probed on the same texts by the same code, every one on its own model's activations, so
that their answers are pairs.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch

from sparring.canonical import rounded
from sparring.probing.contrasts import Contrast, draw_contrasts
from sparring.probing.degenerate import check_texts, cut_alike, doubtful_latents, doubtful_texts, never_fire
from sparring.probing.in_words import CHANCE, HEADLINE, against, at_chance, tokens_alone
from sparring.probing.labelled import LabelledTexts, read_task
from sparring.probing.measures import Measured, differences, measure, summarise
from sparring.probing.pairs import paired, paired_measures
from sparring.probing.plan import ProbingPlan
from sparring.probing.vectors import ArmFiles, Vectors, check_same_texts, read_vectors
from sparring.probing.words import bags_of, words_right
from sparring.stats.macro import Answers
from sparring.stats.share import share_interval


class _Probed(NamedTuple):
    """The answers of an arm's probes, what of them is reported, and what makes its latents doubtful."""

    vectors: Vectors
    measured: Measured
    reported: dict[str, Any]
    doubts: list[str]


def probing(
    arm: ArmFiles, controls: Sequence[ArmFiles], task: Path, *, plan: ProbingPlan, is_control: bool = False
) -> dict[str, Any]:
    """The result that `results/probing/TASK/ARM.json` holds. `controls` are the arm's own random twins.

    is_control: the arm is such a twin itself: that it cannot tell classes is then no doubt but what it is for.
    Raises SparringError for texts that cannot be probed (see `check_texts`), figures that are not finite, or controls
    that were run on other texts.
    """
    texts = read_task(task)
    check_texts(texts)
    contrasts = draw_contrasts(texts, seed=plan.seed)
    mine = _probed(arm, texts, contrasts, plan)
    apart = differences(mine.measured, resamples=plan.resamples, seed=plan.seed)
    contents = mine.vectors.contents
    measures = mine.reported["measures"]
    chance = at_chance(measures)
    of_latents = [*mine.doubts, *chance.pop(HEADLINE)]
    doubts = [*doubtful_texts(texts, contents, contrasts), *([] if is_control else of_latents)]
    notes = [*(of_latents if is_control else []), *cut_alike(texts, contents)]
    notes += [sentence for said in chance.values() for sentence in said]
    notes += tokens_alone(measures, apart)
    against_controls = {}
    for files in controls:
        twin = _probed(files, texts, contrasts, plan)
        check_same_texts(mine.vectors, twin.vectors)
        pairs = _pairs(mine, twin, texts, plan)
        said = against(arm.arm.name, files.arm.name, files.what, pairs)
        doubts += said.pop(HEADLINE, [])
        notes += [
            *(f"Control {files.arm.name}: {doubt}" for doubt in twin.doubts),
            *(one for some in said.values() for one in some),
        ]
        against_controls[files.arm.name] = {**twin.reported, "what": files.what, "pairs": pairs}
    return dict(
        rounded(
            {
                **mine.reported,
                "is_control": is_control,
                "classes": texts.classes,
                "texts_a_class": {split: len(texts.of(texts.classes[0], split)) for split in ("train", "test")},
                "examples": {"train": len(contrasts[0].train.texts), "test": len(contrasts[0].test.texts)},
                "differences": apart,
                "controls": against_controls,
                "doubts": doubts,
                "notes": notes,
                "plan": asdict(plan),
            }
        )
    )


def _probed(files: ArmFiles, texts: LabelledTexts, contrasts: Sequence[Contrast], plan: ProbingPlan) -> _Probed:
    vectors = read_vectors(files, texts)
    measured, chosen = measure(vectors.latents, vectors.rows, contrasts, ks=plan.ks)
    bags = bags_of(vectors.tokens, vectors.text)
    measured["bag_of_words"] = [Answers(one.test.texts, words_right(bags, one)) for one in contrasts]
    measures = summarise(measured, texts.classes, resamples=plan.resamples, seed=plan.seed)
    for name, of in measures.items():
        of["classes"] = {label: _of_class(one) for label, one in zip(texts.classes, measured[name], strict=True)}
    reported = {
        "arm": asdict(files.arm),
        "measures": measures,
        "latents": chosen,
        "never_fire": {"number": never_fire(vectors.latents), "of": vectors.latents.shape[1]},
    }
    return _Probed(vectors, measured, reported, doubtful_latents(vectors.latents, contrasts, max(plan.ks)))


def _pairs(mine: _Probed, twin: _Probed, texts: LabelledTexts, plan: ProbingPlan) -> dict[str, dict[str, Any]]:
    # A control of the coder alone sits on the arm's own activations: of those there is nothing to compare.
    same_rows = torch.equal(mine.vectors.rows, twin.vectors.rows)
    return paired(
        mine.measured,
        twin.measured,
        texts.classes,
        paired_measures(mine.measured, same_rows=same_rows),
        resamples=plan.resamples,
        seed=plan.seed,
    )


def _of_class(answers: Answers) -> dict[str, Any]:
    low, high = share_interval(answers.right)
    return {
        "accuracy": float(answers.right.mean()),
        "ci95": [low, high],
        "n": len(answers.right),
        "chance": low <= CHANCE,
    }
