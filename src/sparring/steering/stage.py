"""The steering stage: along a latent, the difference of means, a random direction, or by a prompt alone.

Each is tried on one half of the samples at every factor, and reported on the other half at the factor that did best
there among those whose text stayed fluent. A run in which that cannot be decided is called degenerate, with the reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sparring.canonical import rounded
from sparring.coders.coder import Coder
from sparring.errors import SparringError
from sparring.probing.contrasts import draw_contrasts
from sparring.probing.labelled import read_task
from sparring.probing.means import mean_latents, mean_rows
from sparring.probing.plan import ProbingPlan
from sparring.progress import progress
from sparring.sites import parse_site
from sparring.steering.directions import directions
from sparring.steering.generate import generate, perplexity
from sparring.steering.halves import Tried, chosen, compared, degenerate, figures
from sparring.steering.judge import Judge
from sparring.steering.plan import SteeringPlan
from sparring.subject_model import SiteReader, load_subject
from sparring.tokenizer import load_tokenizer


class _Subject(NamedTuple):
    """What is asked for text, and who judges it."""

    model: Any
    tokenizer: Any
    judge: Judge
    site: str
    plan: SteeringPlan

    def ids(self, text: str) -> Int[Tensor, " position"]:
        """A prompt's tokens, with whatever the tokenizer puts before them."""
        return torch.tensor(self.tokenizer(text)["input_ids"])

    def tried(self, prompt: str, shift: Float[Tensor, " d"] | None, *, fluent_after: str) -> tuple[Tried, list[str]]:
        """What comes of `prompt` with `shift` added; perplexity is that of the new text after `fluent_after`."""
        plan = self.plan
        made = generate(
            self.model,
            self.ids(prompt),
            site=self.site,
            shift=shift,
            samples=plan.samples,
            tokens=plan.tokens,
            temperature=plan.temperature,
            seed=plan.seed,
        )
        texts = self.tokenizer.batch_decode(made, skip_special_tokens=True)
        fluency = perplexity(self.model, self.ids(fluent_after), made).log().cpu().numpy()
        return Tried(self.judge.holds(texts), fluency), texts


def steer(
    subject: Path,
    coder: Path,
    task: Path,
    task_rows: Path,
    scorer: Path,
    *,
    plan: SteeringPlan,
    probing: ProbingPlan,
    layer: int,
    batch: int,
) -> dict[str, Any]:
    """The result of one plan. layer, batch: of the scorer's model (see Embedder).

    Raises SparringError for a class that the task does not have.
    """
    texts, made = read_task(task), Coder.load(coder)
    if plan.label not in texts.classes:
        raise SparringError(f"steering.label: no class {plan.label!r}; the task has {', '.join(texts.classes)}")
    contrast = draw_contrasts(texts, seed=probing.seed)[texts.classes.index(plan.label)]
    along = directions(
        mean_latents(coder, task_rows, len(texts.texts)),
        mean_rows(made.write_site, task_rows),
        made.decoder.cpu(),
        contrast,
        seed=plan.seed,
    )
    learnt = [texts.texts[i] for i in contrast.train.texts]
    judge = Judge(scorer, learnt, contrast.train.positive, layer=layer, batch=batch)
    asked = _Subject(load_subject(subject), load_tokenizer(subject), judge, made.write_site, plan)
    prompt, scan = _scanned(asked)
    unit = _residual_norm(asked, prompt)
    baseline, unsteered = asked.tried(prompt, None, fluent_after=prompt)
    grid: dict[str, dict[str, Tried]] = {}
    shown: dict[str, str] = {"baseline": unsteered[0]}
    with progress(len(along) * len(plan.factors), desc=f"steering {plan.arm}", unit="factor") as bar:
        for name, direction in along.items():
            grid[name] = {}
            for factor in plan.factors:
                grid[name][f"{factor:g}"], samples = asked.tried(
                    prompt, factor * unit * direction.vector, fluent_after=prompt
                )
                shown[f"{name} {factor:g}"] = samples[0]
                bar.update(1)
    grid["prompt"] = {"0": asked.tried(f"A text about {plan.label}. {prompt}", None, fluent_after=prompt)[0]}
    return dict(
        rounded(
            {
                "prompt": prompt,
                "prompt_scan": scan,
                "site": made.write_site,
                "unit": unit,
                "latent": along["latent"].latent,
                **_reported(baseline, grid, plan),
                "examples": shown,
                "plan": asdict(plan),
            }
        )
    )


def _scanned(asked: _Subject) -> tuple[str, dict[str, float]]:
    """The prompt whose unsteered success is nearest to 0.5, and that of each."""
    scan = {
        prompt: float(asked.tried(prompt, None, fluent_after=prompt)[0].success.mean()) for prompt in asked.plan.prompts
    }
    return min(scan, key=lambda prompt: abs(scan[prompt] - 0.5)), scan


def _residual_norm(asked: _Subject, prompt: str) -> float:
    """Root mean square, over positions but the first, of the norm of what leaves the block that is steered."""
    site = f"layers.{parse_site(asked.site).layer}.resid_post"
    made = generate(
        asked.model,
        asked.ids(prompt),
        site=asked.site,
        shift=None,
        samples=asked.plan.samples,
        tokens=asked.plan.tokens,
        temperature=asked.plan.temperature,
        seed=asked.plan.seed,
    )
    whole = torch.cat([asked.ids(prompt).to(made.device).repeat(len(made), 1), made], dim=1)
    rows = SiteReader(asked.model, (site,)).read(whole)[site][:, 1:]
    return float(rows.double().square().sum(-1).mean().sqrt())


def _reported(baseline: Tried, grid: Mapping[str, Mapping[str, Tried]], plan: SteeringPlan) -> dict[str, Any]:
    """The baseline, every factor, what was chosen and how it does, and the differences of the methods."""
    cap = float(np.log(plan.ppl_cap)) + float(baseline.log_ppl.mean())
    best = {name: chosen(tried, cap) for name, tried in grid.items()}
    held = {name: grid[name][factor].half(1) for name, factor in best.items() if factor is not None}
    pairs: Sequence[tuple[str, str]] = [
        ("latent", other) for other in ("difference_of_means", "random", "prompt") if {"latent", other} <= held.keys()
    ]
    return {
        "baseline": figures(baseline, plan),
        "ppl_cap": float(np.exp(cap)),
        "grid": {name: {factor: figures(one, plan) for factor, one in tried.items()} for name, tried in grid.items()},
        "best": {
            name: {"factor": None if factor is None else float(factor)}
            | (figures(held[name], plan) if factor is not None else {})
            for name, factor in best.items()
        },
        "differences": {f"{a} - {b}": compared(held[a], held[b], plan) for a, b in pairs},
        "degenerate": degenerate(baseline, best),
    }
