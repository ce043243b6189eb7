"""A trained coder: loads from its folder, reconstructs raw rows through sparsify's own code."""

import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sparring.coders.recipe import Arm, Kind
from sparring.coders.upstream import SparseCoder
from sparring.device import device as pick_device

# Upstream wraps `forward` in bfloat16 autocast wherever a GPU is there. That is for training; what is measured here is
# float32 on every machine, so the function under the wrapper is called.
_forward = inspect.unwrap(SparseCoder.forward)


class Reconstruction(NamedTuple):
    """What a coder makes of rows: its output in raw units, and the latents it used."""

    x_hat: Float[Tensor, "rows d"]
    values: Float[Tensor, "rows k"]
    indices: Int[Tensor, "rows k"]


@dataclass(frozen=True)
class Coder:
    """A sparse coder and the sites it reads and writes. Takes and gives raw rows (scaling is folded into the weights).

    Latent values are in the scaled space of training (see sparring.coders.scaling). A value of 0 is not active.
    """

    weights: SparseCoder
    arm: Arm

    @staticmethod
    def load(folder: Path) -> "Coder":
        """Read a folder written by `train_coder`, onto the GPU where there is one."""
        weights = SparseCoder.load_from_disk(folder, device=pick_device())
        weights.requires_grad_(False)
        return Coder(weights, Arm(**json.loads((folder / "arm.json").read_text())))

    @property
    def kind(self) -> Kind:
        """ "sae", "transcoder" or "skip-transcoder"."""
        return self.arm.kind

    @property
    def read_site(self) -> str:
        """The site whose rows it takes."""
        return self.arm.read_site

    @property
    def write_site(self) -> str:
        """The site whose rows `forward` predicts."""
        return self.arm.write_site

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

    def forward(self, x: Float[Tensor, "rows d"]) -> Float[Tensor, "rows d"]:
        """Prediction of the write site from rows of the read site."""
        return self.reconstruct(x).x_hat
