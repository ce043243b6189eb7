"""Latents of raw rows: the one adapter between a coder's files and all that reads latents.

The same figures as the encoder of the library that wrote the files (tests/test_coders_encoding.py; for sparsify's, bit
for bit), from the weights alone: importing sparsify or sae_lens, with all that they import, would take longer than
encoding many a split.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import linear, pad

from sparring.coders.format import format_of
from sparring.coders.lens_files import Norm, normed, read_lens_config, read_lens_weights
from sparring.coders.recipe import Arm
from sparring.device import device
from sparring.errors import SparringError

_DENSE_BYTES = 256 << 20  # of the latents of as many rows as are worked out at once, where TopK does not bound them


@dataclass(frozen=True)
class Encoder:
    """z = act(W_enc (norm(x) - centre) + b_enc), act TopK(relu) where there is a k, else relu above the threshold.

    `centre` is b_dec where that is taken off the input (sparsify's SAEs; sae_lens's coders say it), else None.
    """

    arm: Arm
    k: int | None
    weight: Float[Tensor, "latents d"]
    bias: Float[Tensor, " latents"]
    centre: Float[Tensor, " d"] | None
    threshold: Float[Tensor, " latents"] | None = None
    norm: Norm = "none"

    @staticmethod
    def load(folder: Path) -> "Encoder":
        """Read a coder's folder of any format, onto the GPU where there is one."""
        arm = Arm(**json.loads((folder / "arm.json").read_bytes()))
        if format_of(folder) == "sae_lens":
            return _of_sae_lens(folder, arm)
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
        """Values after ReLU (0 where fewer than k latents are positive) and latent indices, in no order in a row.

        Without a TopK, k is the most that any of these rows has.
        """
        rows = x.to(self.weight.device, torch.float32)
        if self.norm != "none":
            rows, _ = normed(rows, self.norm)
        if self.centre is not None:
            rows = rows - self.centre
        if self.k is None:
            return sparse(self._above(some) for some in rows.split(rows_at_once(self.n_latents)))
        # TopK before ReLU picks the same positive values, and leaves out a pass over all latents.
        values, indices = linear(rows, self.weight, self.bias).topk(self.k, dim=-1, sorted=False)
        return values.relu(), indices

    def dense(self, x: Float[Tensor, "rows d"]) -> Float[Tensor, "rows latents"]:
        """All latents of each row, 0 where one is not among the k; for few rows."""
        values, indices = self.encode(x)
        return torch.zeros(len(x), self.n_latents, device=values.device).scatter_(1, indices, values)

    def _above(self, rows: Float[Tensor, "rows d"]) -> Float[Tensor, "rows latents"]:
        pre = linear(rows, self.weight, self.bias)
        return pre.relu() if self.threshold is None else pre.relu() * (pre > self.threshold)


def rows_at_once(n_latents: int) -> int:
    """How many rows' latents are held densely at a time."""
    return max(1, _DENSE_BYTES // (4 * n_latents))


def sparse(parts: Iterable[Tensor]) -> tuple[Float[Tensor, "rows k"], Int[Tensor, "rows k"]]:
    """Dense latents [rows, latents], a part at a time, as values and indices.

    k is the most that any row has, at least 1; a row of fewer has zeros for the rest, at latents that are its own once.
    """
    found = []
    for dense in parts:
        most = int((dense > 0).sum(dim=1).max()) if len(dense) else 0
        found.append(dense.topk(max(1, most), dim=1, sorted=False))
    k = max(values.shape[1] for values, _ in found)
    values = [pad(values, (0, k - values.shape[1])) for values, _ in found]
    return torch.cat(values), torch.cat([_filled(indices, k) for _, indices in found])


def _filled(indices: Int[Tensor, "rows some"], k: int) -> Int[Tensor, "rows k"]:
    """`indices` with further ones up to k, in each row from those below k that it has not: none is named twice."""
    more = k - indices.shape[1]
    if more == 0:
        return indices
    # Of k candidates a row has taken at most `some`; a spare column gathers the indices that are no candidates.
    taken = torch.zeros(len(indices), k + 1, dtype=torch.bool, device=indices.device)
    taken.scatter_(1, indices.clamp(max=k), True)
    return torch.cat([indices, taken[:, :k].int().argsort(dim=1, stable=True)[:, :more]], dim=1)


def _of_sae_lens(folder: Path, arm: Arm) -> Encoder:
    config, weights = read_lens_config(folder), read_lens_weights(folder)
    centre = weights["b_dec"] if config.centred else None
    return Encoder(
        arm, config.k, weights["W_enc"].T, weights["b_enc"], centre, weights.get("threshold"), norm=config.norm
    )
