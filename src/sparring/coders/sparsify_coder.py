"""A coder in sparsify's files: reconstructs raw rows through sparsify's own code."""

import inspect
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sparring.coders.coder import Coder, Reconstruction
from sparring.coders.recipe import Arm
from sparring.coders.upstream import SparseCoder
from sparring.device import device as pick_device

# Upstream wraps `forward` in bfloat16 autocast wherever a GPU is there. That is for training; what is measured here is
# float32 on every machine, so the function under the wrapper is called.
_forward = inspect.unwrap(SparseCoder.forward)


@dataclass(frozen=True)
class SparsifyCoder(Coder):
    """A SparseCoder and its sites; scaling is folded into the weights."""

    weights: SparseCoder
    arm: Arm

    @staticmethod
    def load(folder: Path) -> "SparsifyCoder":
        """Read a folder written by `train_coder`, onto the GPU where there is one."""
        weights = SparseCoder.load_from_disk(folder, device=pick_device())
        weights.requires_grad_(False)
        return SparsifyCoder(weights, Arm(**json.loads((folder / "arm.json").read_text())))

    @property
    def n_latents(self) -> int:
        """Width."""
        return int(self.weights.num_latents)

    @property
    def k(self) -> int:
        """Latents a row kept by TopK."""
        return int(self.weights.cfg.k)

    @property
    def decoder(self) -> Float[Tensor, "latents d"]:
        """What each latent adds to the output for a value of 1."""
        return self.weights.W_dec.detach()

    @torch.no_grad()
    def reconstruct(self, x: Float[Tensor, "rows d"]) -> Reconstruction:
        """Prediction of the write site from rows of the read site, with the latents used; the skip is included."""
        result = _forward(self.weights, x.to(self.weights.device, torch.float32))
        return Reconstruction(result.sae_out, result.latent_acts, result.latent_indices)
