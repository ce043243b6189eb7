"""A coder in sae_lens's files: reconstructs raw rows through sae_lens's own classes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from sae_lens import SAE
from torch import Tensor

from sparring.coders import lens_classes  # noqa: F401 (registers the class that sae_lens has not)
from sparring.coders.coder import Coder, Reconstruction
from sparring.coders.encoding import rows_at_once, sparse
from sparring.coders.lens_files import read_lens_config
from sparring.coders.recipe import Arm
from sparring.device import device


@dataclass(frozen=True)
class LensCoder(Coder):
    """An SAE or transcoder of sae_lens and its sites."""

    sae: SAE[Any]
    arm: Arm

    @staticmethod
    def load(folder: Path) -> "LensCoder":
        """Read a coder's folder, onto the GPU where there is one. SparringError for what cannot be taken."""
        read_lens_config(folder)
        return LensCoder(load_sae_lens(folder), Arm(**json.loads((folder / "arm.json").read_text())))

    @property
    def n_latents(self) -> int:
        """Width."""
        return int(self.sae.cfg.d_sae)

    @property
    def decoder(self) -> Float[Tensor, "latents d"]:
        """What each latent adds to the output for a value of 1."""
        return self.sae.W_dec.detach()

    @torch.no_grad()
    def reconstruct(self, x: Float[Tensor, "rows d"]) -> Reconstruction:
        """Prediction of the write site from rows of the read site, with the latents used; the skip is included."""
        outputs: list[Tensor] = []

        def latents(rows: Tensor) -> Tensor:
            z, x_hat = run(self.sae, rows)
            outputs.append(x_hat)
            return z

        rows = x.to(self.sae.W_enc.device, torch.float32)
        values, indices = sparse(latents(some) for some in rows.split(rows_at_once(self.n_latents)))
        return Reconstruction(torch.cat(outputs), values, indices)


def run(sae: Any, rows: Float[Tensor, "rows d"]) -> tuple[Float[Tensor, "rows latents"], Float[Tensor, "rows d_out"]]:
    """(latents, output) of one forward pass by sae_lens's code, a run-time norm and the skip included."""
    if hasattr(sae, "forward_with_activations"):  # of transcoders; `decode` leaves their skip out
        x_hat, z = sae.forward_with_activations(rows)
        return z, x_hat
    z = sae.encode(rows)
    return z, sae.decode(z)


def load_sae_lens(folder: Path) -> SAE[Any]:
    """A folder of sae_lens through its own loader, in float32 on the processor in use."""
    return SAE.load_from_disk(folder, device=str(device()), dtype="float32").eval().requires_grad_(False)
