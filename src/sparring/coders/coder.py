"""A trained coder, whatever library's files it lies in: reconstructs raw rows through that library's own code."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sparring.coders.format import format_of
from sparring.coders.recipe import Arm, Kind


class Reconstruction(NamedTuple):
    """What a coder makes of rows: its output in raw units, and the latents it used."""

    x_hat: Float[Tensor, "rows d"]
    values: Float[Tensor, "rows k"]
    indices: Int[Tensor, "rows k"]


class Coder(ABC):
    """A sparse coder and the sites it reads and writes. Takes and gives raw rows.

    Latent values of a coder trained here are in the scaled space of training (see sparring.coders.scaling), those of
    one from elsewhere in its own. A value of 0 is not active.
    """

    arm: Arm

    @staticmethod
    def load(folder: Path) -> "Coder":
        """Read a coder's folder of any format (sparring.coders.format), onto the GPU where there is one."""
        # Only the library that wrote the folder is imported: each takes seconds.
        if format_of(folder) == "sae_lens":
            from sparring.coders.lens_coder import LensCoder

            return LensCoder.load(folder)
        from sparring.coders.sparsify_coder import SparsifyCoder

        return SparsifyCoder.load(folder)

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
    @abstractmethod
    def n_latents(self) -> int:
        """Width."""

    @property
    @abstractmethod
    def decoder(self) -> Float[Tensor, "latents d"]:
        """What each latent adds to the output for a value of 1."""

    @abstractmethod
    def reconstruct(self, x: Float[Tensor, "rows d"]) -> Reconstruction:
        """Prediction of the write site from rows of the read site, with the latents used; the skip is included."""

    def forward(self, x: Float[Tensor, "rows d"]) -> Float[Tensor, "rows d"]:
        """Prediction of the write site from rows of the read site."""
        return self.reconstruct(x).x_hat

    def encode(self, x: Float[Tensor, "rows d"]) -> tuple[Float[Tensor, "rows k"], Int[Tensor, "rows k"]]:
        """Values (0 where fewer than k are active) and indices of the latents, as Encoder gives them, too."""
        made = self.reconstruct(x)
        return made.values, made.indices

    def dense(self, x: Float[Tensor, "rows d"]) -> Float[Tensor, "rows latents"]:
        """All latents of each row; for few rows."""
        values, indices = self.encode(x)
        return torch.zeros(len(x), self.n_latents, device=values.device).scatter_(1, indices, values)
