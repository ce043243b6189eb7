"""Latents of raw rows by sparsify's own encoder: the one adapter between a coder's format and all that reads latents.

sparsify's encoder takes an SAE's b_dec from the input itself, and a transcoder's not at all: nothing is taken here.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sparring.coders.coder import Coder


@torch.no_grad()
def encode(coder: Coder, x: Float[Tensor, "rows d"]) -> tuple[Float[Tensor, "rows k"], Int[Tensor, "rows k"]]:
    """Values after ReLU (0 where fewer than k latents are positive) and latent indices, in no order in a row."""
    rows = x.to(coder.weights.device, torch.float32)
    values, indices, _ = coder.weights.encode(rows)
    return values, indices
