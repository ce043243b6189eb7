"""Text from a model with a direction added at one site: batched, with the key-value cache, and its perplexity."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from sparring.device import device
from sparring.sites import parse_site
from sparring.subject_model import site_module, visit_site

Ids = Int[Tensor, "sample token"]


@torch.no_grad()
def generate(
    model: Any,
    prompt: Int[Tensor, " position"],
    *,
    site: str,
    shift: Float[Tensor, " d"] | None,
    samples: int,
    tokens: int,
    temperature: float,
    seed: int,
    cached: bool = True,
) -> Ids:
    """`tokens` new ids for each of `samples` copies of `prompt`, drawn at `temperature`; `shift` is added at every
    position of `site`. cached: with the key-value cache; without it (slow, the twin) each step reads all again."""
    rng = torch.Generator(device=device()).manual_seed(seed)
    ids = prompt.to(device()).repeat(samples, 1)
    start, past = ids.shape[1], None
    parsed = parse_site(site)

    def add(value: Tensor) -> Tensor | None:
        return None if shift is None else value + shift.to(value)

    handle = visit_site(site_module(model, parsed), parsed, add)
    try:
        for _ in range(tokens):
            fresh = ids[:, -1:] if past is not None else ids
            made = model(input_ids=fresh, past_key_values=past, use_cache=cached)
            past = made.past_key_values if cached else None
            chances = torch.softmax(made.logits[:, -1].float() / temperature, dim=-1)
            ids = torch.cat([ids, torch.multinomial(chances, 1, generator=rng)], dim=1)
    finally:
        handle.remove()
    return ids[:, start:]


@torch.no_grad()
def perplexity(model: Any, prompt: Int[Tensor, " position"], made: Ids) -> Float[Tensor, " sample"]:
    """exp of the mean cross-entropy of each sample's ids after `prompt`, by the model as it is, unsteered."""
    ids = torch.cat([prompt.to(made.device).repeat(len(made), 1), made], dim=1)
    logits = model(input_ids=ids, use_cache=False).logits[:, -made.shape[1] - 1 : -1].float()
    each = cross_entropy(logits.flatten(0, 1), made.flatten(), reduction="none").view(made.shape)
    return each.mean(dim=1).exp()
