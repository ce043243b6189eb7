"""The steering stage: along coders' latents, differences of means and random directions, or by a prompt alone.

A concept is a class together with a coder. Each way of steering is tried on one half of the samples at every factor,
and reported on the other half at the factor that did best there among those whose text stayed fluent; the headline is
a mean over concepts. What cannot be decided is called degenerate, with the reason.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sparring.canonical import rounded
from sparring.coders.coder import Coder
from sparring.probing.contrasts import Contrast, contrasts_of
from sparring.probing.labelled import read_task
from sparring.probing.means import mean_latents, mean_rows
from sparring.probing.plan import ProbingPlan
from sparring.progress import progress
from sparring.steering.concept import concept
from sparring.steering.directions import Direction, directions
from sparring.steering.halves import Tried
from sparring.steering.headline import doubts, headline
from sparring.steering.judge import Judges
from sparring.steering.plan import SteeringPlan
from sparring.steering.residual import residual_units
from sparring.steering.written import SCAN, Writer
from sparring.subject_model import load_subject
from sparring.tokenizer import load_tokenizer

_SHOWN = 2  # samples of each way at its factor
PROMPT = "prompt"


def steer(
    subject: Path,
    coders: Mapping[str, Path],
    task: Path,
    task_rows: Path,
    scorer: Path,
    *,
    plan: SteeringPlan,
    probing: ProbingPlan,
    layer: int,
    batch: int,
) -> dict[str, Any]:
    """The result of one plan; `coders` are the folders of its arms. layer, batch: of the scorer's model (see Embedder).

    Raises SparringError for a class that the task does not have, or where no latent is higher in a class.
    """
    texts = read_task(task)
    contrasts = contrasts_of(texts, plan.labels or texts.classes, seed=probing.seed, key="steering.labels")
    loaded = {arm: Coder.load(coders[arm]) for arm in plan.arms}
    sites = {arm: coder.write_site for arm, coder in loaded.items()}
    along = {
        arm: _directions(arm, coders[arm], loaded[arm], task_rows, len(texts.texts), contrasts, plan)
        for arm in plan.arms
    }
    judges = Judges(scorer, texts.texts, contrasts, layer=layer, batch=batch)
    model, tokenizer = load_subject(subject), load_tokenizer(subject)
    train = [text for text, is_train in zip(texts.texts, texts.is_train, strict=True) if is_train]
    units = residual_units(model, tokenizer, train, sorted(set(sites.values())))
    writer = Writer(model, tokenizer, judges, plan, site=sites[plan.arms[0]])
    accuracy = {one.label: judges.accuracy(one.label, resamples=plan.resamples, seed=plan.seed) for one in contrasts}
    scan = _scan(writer, list(accuracy))
    concepts = []
    with progress(len(contrasts) * len(plan.arms), desc="steering", unit="concept") as bar:
        for label, prompts in scan.items():
            prompt = min(prompts, key=lambda one: abs(prompts[one] - 0.5))
            for arm in plan.arms:
                unit = units[sites[arm]]["unit"]
                tried, shown = try_prompt(writer, prompt, label, along[arm][label], sites[arm], unit)
                found = concept(writer.unsteered(prompt).tried(label), tried, accuracy[label], plan)
                concepts.append(
                    {"label": label, "arm": arm, "site": sites[arm], "prompt": prompt}
                    | {"latent": along[arm][label]["latent"].latent}
                    | found
                    | {"examples": _examples(writer.unsteered(prompt).texts, shown, found["best"])}
                )
                bar.update(1)
    over = headline(concepts, list(concepts[0]["grid"]), plan)
    return dict(
        rounded(
            {
                "headline": over,
                "by_arm": _by_arm(concepts, plan),
                "degenerate": doubts(over, concepts),
                "concepts": concepts,
                "judge": accuracy,
                "prompt_scan": scan,
                "units": units,
                "plan": asdict(plan),
            }
        )
    )


def _by_arm(concepts: Sequence[Mapping[str, Any]], plan: SteeringPlan) -> dict[str, Any]:
    """The differences of each coder's concepts alone, where there are several coders."""
    each = {arm: [one for one in concepts if one["arm"] == arm] for arm in plan.arms}
    found = {arm: headline(some, list(some[0]["grid"]), plan) for arm, some in each.items()}
    return {arm: None if over is None else over["differences"] for arm, over in found.items() if len(each) > 1}


def _directions(
    arm: str, folder: Path, coder: Coder, task_rows: Path, texts: int, contrasts: Sequence[Contrast], plan: SteeringPlan
) -> dict[str, dict[str, Direction]]:
    latents, rows = mean_latents(folder, task_rows, texts), mean_rows(coder.write_site, task_rows)
    decoder = coder.decoder.cpu()
    return {
        one.label: directions(latents, rows, decoder, one, seed=_seed(plan.seed, arm, one.label)) for one in contrasts
    }


def _seed(*parts: object) -> int:
    """A seed of a concept's own, whatever else the plan names."""
    return int.from_bytes(hashlib.sha256("\n".join(map(str, parts)).encode()).digest()[:7], "big")


def _scan(writer: Writer, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """{label: {prompt: success of the unsteered text}}, on samples that are not reported."""
    written = {prompt: writer.unsteered(prompt, stream=SCAN) for prompt in writer.plan.prompts}
    return {label: {prompt: float(one.holds[label].mean()) for prompt, one in written.items()} for label in labels}


def try_prompt(
    writer: Writer, prompt: str, label: str, along: Mapping[str, Direction], site: str, unit: float
) -> tuple[dict[str, dict[str, Tried]], dict[tuple[str, str], list[str]]]:
    """({way: {factor: what came of it}}, {(way, factor): texts})."""
    plan = writer.plan
    keys = [(way, f"{factor:g}") for way in along for factor in plan.factors]
    shifts = [factor * unit * one.vector for one in along.values() for factor in plan.factors]
    written = dict(zip(keys, writer.steered(prompt, torch.stack(shifts), site=site), strict=True))
    written[PROMPT, "0"] = writer.unsteered(prompt, before=plan.instruction.format(label=label))
    grid: dict[str, dict[str, Tried]] = {}
    for (way, factor), one in written.items():
        grid.setdefault(way, {})[factor] = one.tried(label)
    return grid, {key: one.texts for key, one in written.items()}


def _examples(
    unsteered: Sequence[str], shown: Mapping[tuple[str, str], Sequence[str]], best: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Samples that chose no factor: of the unsteered text, and of each way at the factor chosen."""
    chosen = {way: shown[way, f"{one['factor']:g}"] for way, one in best.items()}
    return {way: list(texts[1::2][:_SHOWN]) for way, texts in {"baseline": unsteered, **chosen}.items()}
