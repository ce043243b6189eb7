"""Text from a model with directions added at one site: many in one batch, with the key-value cache; its perplexity.

Each sample has random numbers of its own at each step, the same for every direction: samples of two directions differ
by what the directions do, and a direction's samples do not depend on what else is in the batch.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from sparring.device import device
from sparring.hooks import site_module, visit_site
from sparring.sites import parse_site

_ROWS, _ROWS_READ = 64, 16  # generated, and read for perplexity, at a time: every logit of what is read is held

Made = Int[Tensor, "direction sample token"]


class Prompt(NamedTuple):
    """A prompt's tokens, with whatever the tokenizer puts before them, and the ids that are never sampled: specials.

    Specials and position 0 are never steered: they carry massive activations, and are masked in every figure.
    """

    ids: Int[Tensor, " position"]
    specials: tuple[int, ...]

    @staticmethod
    def read(tokenizer: Any, text: str) -> "Prompt":
        """The prompt `text`."""
        return Prompt(torch.tensor(tokenizer(text)["input_ids"]), tuple(sorted(tokenizer.all_special_ids)))

    @property
    def steered(self) -> Bool[Tensor, " position"]:
        """The positions at which a direction is added."""
        return ~torch.isin(self.ids, torch.tensor(self.specials, dtype=torch.long)) & (torch.arange(len(self.ids)) > 0)


@torch.no_grad()
def generate(
    model: Any,
    prompt: Prompt,
    *,
    site: str,
    shifts: Float[Tensor, "direction d"],
    samples: int,
    tokens: int,
    temperature: float,
    seed: Sequence[int],
    cached: bool = True,
) -> Made:
    """`tokens` new ids for `samples` copies of `prompt` with each of `shifts` added at `site`, drawn at `temperature`.

    cached: with the key-value cache; without it (slow, the twin) each step reads all again.
    """
    many = max(1, _ROWS // samples)
    return torch.cat(
        [_batch(model, prompt, site, some, samples, tokens, temperature, seed, cached) for some in shifts.split(many)]
    )


def _batch(
    model: Any,
    prompt: Prompt,
    site: str,
    shifts: Float[Tensor, "direction d"],
    samples: int,
    tokens: int,
    temperature: float,
    seed: Sequence[int],
    cached: bool,
) -> Made:
    parsed, start, past = parse_site(site), len(prompt.ids), None
    ids = prompt.ids.to(device()).repeat(len(shifts) * samples, 1)
    each = shifts.to(device()).repeat_interleave(samples, dim=0)[:, None]
    steered = torch.cat([prompt.steered, torch.ones(tokens, dtype=torch.bool)]).to(device())[:, None]
    # Of a CPU generator wherever the model runs: the same numbers on every machine.
    rng = torch.Generator().manual_seed(_seed(seed))

    def add(value: Tensor) -> Tensor:
        here = steered[ids.shape[1] - value.shape[1] : ids.shape[1]]
        return torch.where(here, value + each.to(value), value)

    handle = visit_site(site_module(model, parsed), parsed, add)
    try:
        for _ in range(tokens):
            fresh = ids if past is None else ids[:, -1:]
            made = model(input_ids=fresh, past_key_values=past, use_cache=cached, logits_to_keep=1)
            past = made.past_key_values if cached else None
            logits = made.logits[:, -1].float() / temperature
            logits[:, list(prompt.specials)] = -torch.inf
            # The largest of log p + g, g Gumbel noise, is a draw from p.
            noise = -torch.empty(samples, logits.shape[-1]).exponential_(generator=rng).log().to(logits)
            drawn = (logits.view(len(shifts), samples, -1) + noise).argmax(dim=-1)
            ids = torch.cat([ids, drawn.view(-1, 1)], dim=1)
    finally:
        handle.remove()
    return ids[:, start:].view(len(shifts), samples, tokens)


def _seed(parts: Sequence[int]) -> int:
    """One seed of several numbers."""
    return int(np.random.SeedSequence(list(parts)).generate_state(1, np.uint64)[0] >> 1)


@torch.no_grad()
def log_perplexity(model: Any, prompt: Prompt, made: Made) -> Float[Tensor, "direction sample"]:
    """Mean cross-entropy, in nats, of each sample's ids after `prompt`, by the model as it is, unsteered."""
    flat, found = made.flatten(0, 1), []
    for some in flat.split(_ROWS_READ):
        ids = torch.cat([prompt.ids.to(some.device).repeat(len(some), 1), some], dim=1)
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=some.shape[1] + 1).logits[:, :-1].float()
        each = cross_entropy(logits.flatten(0, 1), some.flatten(), reduction="none").view(some.shape)
        found.append(each.mean(dim=1))
    return torch.cat(found).view(made.shape[:2]).cpu()
