"""SAEBench's sparse probing of one coder on one task, by sae_bench's own code, beside ours on the same texts.

Both get the same rows, through the coder as sae_lens has it. What is defined alike must come out alike: the means over
tokens, and the probes on k columns. The probe on all columns is not: sae_bench's trains a linear layer with AdamW and
reports its best epoch on the test texts, ours is the same logistic regression as for k, and never sees them.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from sparring.canonical import rounded
from sparring.coders.recipe import Arm
from sparring.coders.sae_lens_adapter import load_sae_lens
from sparring.device import device
from sparring.errors import SparringError
from sparring.probing.contrasts import draw_contrasts
from sparring.probing.labelled import LabelledTexts, read_task
from sparring.probing.measures import differences, measure, summarise
from sparring.probing.plan import ProbingPlan
from sparring.probing.pooling import pooled
from sparring.probing.task_rows import Batch, TaskRows
from sparring.probing.words import bags_of, words_right
from sparring.progress import progress
from sparring.saebench import upstream
from sparring.stats.macro import Answers

TOLERANCE = 1e-6
_TEXTS = 32  # encoded at a time: every latent of every token is held
_NOT_ALIKE = (
    "sae_bench reports the best of up to 100 epochs on the TEST texts; ours is a logistic regression (C = 1) fitted on "
    "the training texts alone"
)
_TRANSCODER = "the published study called sparse probing not applicable to a transcoder; its latents are probed alike"


class Means(NamedTuple):
    """[text, latent] and [text, d], one mean over tokens a text."""

    latents: Float[Tensor, "text latent"]
    rows: Float[Tensor, "text d"]


@torch.no_grad()
def sparse_probing(arm: Arm, adapter: Path, task: Path, task_rows: Path, *, plan: ProbingPlan) -> dict[str, Any]:
    """The result that `results/saebench/TASK/ARM.json` holds.

    Raises SparringError where sae_bench and we disagree by more than TOLERANCE on what is defined alike.
    """
    texts = read_task(task)
    with TaskRows(task_rows) as rows:
        ours, theirs = _means(rows, arm, adapter, len(texts.texts))
        bags = bags_of(rows.tokens, rows.text)
    means = _check_means(arm, ours, theirs)
    contrasts = draw_contrasts(texts, seed=plan.seed)
    measured, chosen = measure(ours.latents, ours.rows, contrasts, ks=plan.ks)
    measured["bag_of_words"] = [Answers(one.test.texts, words_right(bags, one)) for one in contrasts]
    figures = summarise(measured, texts.classes, resamples=plan.resamples, seed=plan.seed)
    bench = _by_sae_bench(theirs, texts, plan)
    result: dict[str, Any] = {
        "arm": asdict(arm),
        "texts_a_class": {split: len(texts.of(texts.classes[0], split)) for split in ("train", "test")},
        "examples": {"train": len(contrasts[0].train.texts), "test": len(contrasts[0].test.texts)},
        "classes": texts.classes,
        "sae_bench": bench,
        "ours": figures,
        "differences": differences(measured, resamples=plan.resamples, seed=plan.seed),
        "latents": chosen,
        "agreement": check_agreement(arm, bench, figures, plan.ks) | {"means": means},
        "not_alike": {"sae_all": _NOT_ALIKE, "residual_all": _NOT_ALIKE},
        "plan": asdict(plan),
        "versions": upstream.versions(),
    }
    if arm.kind != "sae":
        result["note"] = _TRANSCODER
    return dict(rounded(result))


def check_agreement(
    arm: Arm, bench: Mapping[str, Any], ours: Mapping[str, Any], ks: list[int]
) -> dict[str, float | list[str]]:
    """The largest difference of a class's accuracy where both are defined alike. SparringError above TOLERANCE."""
    alike = [f"{figures}_top_{k}" for figures in ("sae", "residual") for k in ks]
    differences = {
        (name, label): abs(bench[name]["classes"][label] - accuracy)
        for name in alike
        for label, accuracy in ours[name]["classes"].items()
    }
    (name, label), largest = max(differences.items(), key=lambda item: item[1])
    if largest > TOLERANCE:
        raise SparringError(
            f"saebench of {arm.name}: {name} of class {label!r} is {bench[name]['classes'][label]:.6f} by sae_bench "
            f"and {ours[name]['classes'][label]:.6f} by us; they are defined alike, so one of the two is wrong"
        )
    return {"alike": alike, "largest": largest, "tolerance": TOLERANCE}


def _means(rows: TaskRows, arm: Arm, adapter: Path, number: int) -> tuple[Means, Means]:
    """Ours and sae_bench's, from the same rows and the same adapter."""
    coder = load_sae_lens(adapter)
    ours, theirs = [], []
    with progress(number, desc=f"latents of {arm.name}", unit="text") as bar:
        for batch in rows.batches(arm.read_site, _TEXTS):
            here = Batch(batch.acts.to(device()), batch.counted.to(device()))
            latents = pooled(coder.encode(here.acts), here.counted)
            ours.append(Means(latents.cpu(), pooled(here.acts, here.counted).cpu()))
            theirs.append(Means(upstream.mean_latents(here, coder).cpu(), upstream.mean_rows(here).cpu()))
            bar.update(len(batch.acts))
    return _joined(ours), _joined(theirs)


def _joined(parts: list[Means]) -> Means:
    return Means(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _check_means(arm: Arm, ours: Means, theirs: Means) -> dict[str, float]:
    """Largest difference of the means over tokens, in units of the largest. SparringError above TOLERANCE."""
    found = {}
    for name, a, b in zip(Means._fields, ours, theirs, strict=True):
        found[name] = float((a - b).abs().max() / b.abs().max().clamp(min=1e-300))
        if not found[name] <= TOLERANCE:
            raise SparringError(
                f"saebench of {arm.name}: the mean {name} of a text differ by {found[name]:.2g} of the largest between "
                "sae_bench and us; they are defined alike, so one of the two is wrong"
            )
    return found


def _by_sae_bench(means: Means, texts: LabelledTexts, plan: ProbingPlan) -> dict[str, Any]:
    found = {}
    for name, figures in (("sae", means.latents), ("residual", means.rows)):
        split = {part: {label: figures[texts.of(label, part)] for label in texts.classes} for part in ("train", "test")}
        for k in (*plan.ks, None):
            classes = upstream.probe(split["train"], split["test"], k=k, seed=plan.seed)
            measured = f"{name}_all" if k is None else f"{name}_top_{k}"
            found[measured] = {"macro": sum(classes.values()) / len(classes), "classes": classes}
    return found
