"""Explanations by a language model: delphi's prompt and parsing, on firing windows of the explainer's documents."""

from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from sparring.autointerp.delphi_upstream import ActivatingExample, DefaultExplainer, normalize_activations
from sparring.autointerp.examples import Protocol, window_values
from sparring.autointerp.explain import repeated, require_no_leak
from sparring.autointerp.plan import DescribePlan, draw_plan_of
from sparring.autointerp.text import TokenText
from sparring.autointerp.windows import fired_windows
from sparring.canonical import pretty_json
from sparring.latent_cache import LatentCache
from sparring.llm.answers import Asker
from sparring.llm.engine import Engine, Question

UNREADABLE = DefaultExplainer(None).parse_explanation("")  # what delphi says where it finds no explanation


def describe(
    latents: Path,
    subject: Path,
    draw: Mapping[str, Any],
    arm: str,
    *,
    engine: Engine,
    plan: DescribePlan,
    answers: Path,
    out: Path,
) -> dict[str, Any]:
    """Write explanations.json, {"real": {latent: explanation}}, for the drawn latents of `arm`; the stage's meta.

    An answer in which delphi finds no explanation leaves an empty text: the latent is then scored as unreadable.
    """
    protocol = Protocol.of(LatentCache(latents), draw_plan_of(draw))
    text, explainer = TokenText(subject), DefaultExplainer(None)
    drawn = [int(latent) for latent in draw["latents"]]
    windows = {latent: shown_windows(protocol, latent, plan.examples) for latent in drawn}
    questions = [_question(explainer, protocol, text, latent, windows[latent], plan.max_tokens) for latent in drawn]
    asker = Asker(engine, answers)
    written: dict[str, dict[str, Any]] = {}
    for latent, answer in zip(drawn, asker.ask(questions, desc=f"explain {arm}"), strict=True):
        said = explainer.parse_explanation(answer.text) if answer else UNREADABLE
        seen = [{"document": int(document)} for document in protocol.windows.document[windows[latent]]]
        written[str(latent)] = {"text": "" if said == UNREADABLE else said, "tokens": [], "contexts": seen}
    require_no_leak(written, protocol.pools.scorer)
    (out / "explanations.json").write_bytes(pretty_json({"real": written}))
    return {
        "explainer": {"name": "a language model, by delphi's prompt", **asker.engine.identity, **asdict(plan)},
        "pools": protocol.pools.meta(),
        "draw_digest": draw["digest"],
        "unreadable_explanations": sum(not made["text"] for made in written.values()),
        **repeated({latent: made["text"] for latent, made in written.items()}),
    }


def shown_windows(protocol: Protocol, latent: int, count: int) -> Int[np.ndarray, " shown"]:
    """Firing windows of the explainer's documents, evenly down from the one with the highest peak."""
    fired = fired_windows(protocol.cache, protocol.windows, latent)
    mine = ~protocol.in_scorer[fired.window]
    ranked = fired.window[mine][np.argsort(-fired.peak[mine], kind="stable")]
    return ranked[np.unique(np.linspace(0, len(ranked) - 1, min(count, len(ranked))).round().astype(np.int64))]


def _question(
    explainer: DefaultExplainer,
    protocol: Protocol,
    text: TokenText,
    latent: int,
    window: Int[np.ndarray, " shown"],
    max_tokens: int,
) -> Question:
    examples = []
    for ids, values in zip(protocol.tokens(window), window_values(protocol, latent, window), strict=True):
        whole, cut = text.window(ids)
        pieces = [whole[a:b] for a, b in pairwise(cut)]
        examples.append(ActivatingExample(torch.from_numpy(ids), torch.from_numpy(values), str_tokens=pieces))
    strongest = max(example.max_activation for example in examples)
    messages = explainer._build_prompt(normalize_activations(examples, strongest))
    return Question(tuple((said["role"], said["content"]) for said in messages), max_tokens)
