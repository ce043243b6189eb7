"""How large the residual stream is where a direction is added: the unit that factors are in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sparring.device import device
from sparring.sites import parse_site
from sparring.subject_model import SiteReader
from sparring.tokens import Cutter

_TEXTS, _CONTEXT, _BATCH = 64, 64, 16
_MASSIVE = 5.0  # medians, beyond which a position's norm is a massive activation (Sun et al. 2024)


def residual_units(model: Any, tokenizer: Any, texts: Sequence[str], sites: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For each of `sites` what `unit_of` gives of the residual stream there, on the beginnings of up to 64 texts."""
    streams = {site: _stream(site) for site in sites}
    reader = SiteReader(model, tuple(sorted(set(streams.values()))))
    cutter = Cutter(tokenizer, _CONTEXT)
    some = [texts[i] for i in np.linspace(0, len(texts) - 1, min(_TEXTS, len(texts))).astype(int)]
    cut = [cutter.beginning(ids) for ids in tokenizer(some, add_special_tokens=False, verbose=False)["input_ids"]]
    tokens, counted = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*cut, strict=True))
    norms: dict[str, list[Tensor]] = {stream: [] for stream in streams.values()}
    for ids, where in zip(tokens.split(_BATCH), counted.bool().split(_BATCH), strict=True):
        for stream, rows in reader.read(ids.long().to(device())).items():
            norms[stream].append(rows.cpu()[where].double().norm(dim=-1))
    return {site: unit_of(torch.cat(norms[stream])) for site, stream in streams.items()}


def unit_of(norms: Float[Tensor, " position"]) -> dict[str, Any]:
    """{"unit", "rms_with_massive", "massive"}: the root mean square of the norms of counted positions.

    Positions with massive activations are left out and counted: one in a thousand can triple the figure.
    """
    massive = norms > _MASSIVE * norms.median()
    unit, whole = (float(some.square().mean().sqrt()) for some in (norms[~massive], norms))
    return {"unit": unit, "rms_with_massive": whole, "massive": float(massive.double().mean())}


def _stream(site: str) -> str:
    """The residual stream that `site` writes into: what leaves its block, or enters it."""
    parsed = parse_site(site)
    return site if parsed.place.startswith("resid") else f"layers.{parsed.layer}.resid_post"
