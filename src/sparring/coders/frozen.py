"""A decoder that stays at random unit rows while sparsify's Trainer trains the rest of the coder.

The control for what training the decoder is worth. sparsify lets an SAE's encoder start as the transpose of its
decoder; so it does here. A (skip) transcoder's decoder would start at zero, and its encoder starts as always.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sparring.coders.upstream import SparseCoder, TrainConfig


def with_frozen_decoder(config: TrainConfig) -> TrainConfig:
    """The same configuration without the steps that keep an SAE's decoder rows at unit norm: they expect a gradient."""
    return replace(config, sae=replace(config.sae, normalize_decoder=False))


@torch.no_grad()
def freeze_decoder(coder: SparseCoder, optimizers: Sequence[Any], *, seed: int) -> None:
    """Put random unit rows into the decoder of a coder about to be trained, and take it from the `optimizers`."""
    assert coder.W_dec is not None
    rows = random_unit_rows(*coder.W_dec.shape, seed=seed).to(coder.W_dec)
    coder.W_dec.copy_(rows)
    coder.W_dec.requires_grad_(False)
    for optimizer in optimizers:
        optimizer.state.pop(coder.W_dec, None)
        for group in optimizer.param_groups:
            group["params"] = [parameter for parameter in group["params"] if parameter is not coder.W_dec]
    if not coder.cfg.transcode:
        coder.encoder.weight.copy_(rows * coder.encoder.weight.norm(dim=1, keepdim=True))


def random_unit_rows(n: int, d: int, *, seed: int) -> Float[Tensor, "n d"]:
    """Directions drawn uniformly from the sphere, by a generator of their own."""
    rows = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    return rows / rows.norm(dim=1, keepdim=True)
