"""Latents of raw rows: the one adapter between a coder's files and all that reads latents.

The same figures as sparsify's own encoder, bit for bit (tests/test_coders_encoding.py), from the weights alone:
importing sparsify, with all that it imports, would take longer than encoding many a split.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import linear

from sparring.coders.recipe import Arm
from sparring.device import device
from sparring.errors import SparringError


@dataclass(frozen=True)
class Encoder:
    """z = TopK(relu(W_enc (x - centre) + b_enc)); `centre` is an SAE's b_dec, and None for a transcoder."""

    arm: Arm
    k: int
    weight: Float[Tensor, "latents d"]
    bias: Float[Tensor, " latents"]
    centre: Float[Tensor, " d"] | None

    @staticmethod
    def load(folder: Path) -> "Encoder":
        """Read a folder written by `train_coder`, onto the GPU where there is one."""
        arm = Arm(**json.loads((folder / "arm.json").read_bytes()))
        config = json.loads((folder / "cfg.json").read_bytes())
        if config.get("activation", "topk") != "topk":
            raise SparringError(f"arm {arm.name}: activation {config['activation']!r} is unknown here; train with topk")
        weights = load_file(folder / "sae.safetensors", device=str(device()))
        centre = weights["b_dec"] if arm.kind == "sae" else None
        return Encoder(arm, int(config["k"]), weights["encoder.weight"], weights["encoder.bias"], centre)

    @property
    def n_latents(self) -> int:
        """Width."""
        return len(self.weight)

    @torch.no_grad()
    def encode(self, x: Float[Tensor, "rows d"]) -> tuple[Float[Tensor, "rows k"], Int[Tensor, "rows k"]]:
        """Values after ReLU (0 where fewer than k latents are positive) and latent indices, in no order in a row."""
        rows = x.to(self.weight.device, torch.float32)
        if self.centre is not None:
            rows = rows - self.centre
        # TopK before ReLU picks the same positive values, and leaves out a pass over all latents.
        values, indices = linear(rows, self.weight, self.bias).topk(self.k, dim=-1, sorted=False)
        return values.relu(), indices

    def dense(self, x: Float[Tensor, "rows d"]) -> Float[Tensor, "rows latents"]:
        """All latents of each row, 0 where one is not among the k; for few rows."""
        values, indices = self.encode(x)
        return torch.zeros(len(x), self.n_latents, device=values.device).scatter_(1, indices, values)
