"""The source of truth that an adapter is held against: the coder's latents and output, without sae_lens.

For a coder in sparsify's files that is sparsify's own code. For one in sae_lens's it is the formula, written out again
from the weights (sparring.coders.lens_files): no class of sae_lens and none of its fast readers has a part in it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from sparring.coders.coder import Coder
from sparring.coders.format import format_of
from sparring.coders.recipe import Arm
from sparring.coders.sparsify_coder import SparsifyCoder
from sparring.device import device

Latents = Float[Tensor, "rows latents"]
Encode = Callable[[Float[Tensor, "rows d"]], Latents]
Output = Callable[[Float[Tensor, "rows d"]], Float[Tensor, "rows d_out"]]


@dataclass(frozen=True)
class Truth:
    """A coder as its source has it: all latents of rows, the output, and the decoder's rows."""

    arm: Arm
    latents: Encode
    output: Output
    decoder: Float[Tensor, "latents d_out"]


def truth_of(folder: Path) -> Truth:
    """The source of truth of the coder in `folder`."""
    if format_of(folder) == "sae_lens":
        return _formula(folder)
    coder = SparsifyCoder.load(folder)
    return Truth(coder.arm, lambda rows: latents_of(coder, rows), coder.forward, coder.weights.W_dec.detach())


def latents_of(coder: Coder, rows: Float[Tensor, "rows d"]) -> Latents:
    """All latents by sparsify's own encoder, 0 where one is not among the k."""
    assert isinstance(coder, SparsifyCoder)
    with torch.no_grad():
        made = coder.weights.encode(rows)
        return torch.zeros(len(rows), coder.n_latents, device=rows.device).scatter_(1, made.top_indices, made.top_acts)


def _formula(folder: Path) -> Truth:
    config = json.loads((folder / "cfg.json").read_bytes())
    weights = load_file(folder / "sae_weights.safetensors", device=str(device()))
    name, norm = config["architecture"], config.get("normalize_activations") or "none"
    d = weights["W_enc"].shape[0]

    def entering(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(what the encoder takes before b_dec, then centre and spread: x = entering * spread + centre)."""
        centre, spread = torch.zeros(len(rows), 1, device=rows.device), torch.ones(len(rows), 1, device=rows.device)
        if norm == "constant_norm_rescale":
            spread = rows.norm(dim=1, keepdim=True) / d**0.5
            return rows * (d**0.5 / rows.norm(dim=1, keepdim=True)), centre, spread
        if norm == "layer_norm":
            centre = rows.mean(1, keepdim=True)
            spread = (rows - centre).std(1, keepdim=True)
            return (rows - centre) / (spread + 1e-5), centre, spread
        return rows, centre, spread

    def latents(rows: Tensor) -> Tensor:
        taken, _, _ = entering(rows)
        if config.get("apply_b_dec_to_input", True):
            taken = taken - weights["b_dec"]
        pre = taken @ weights["W_enc"] + weights["b_enc"]
        positive = pre.relu()
        if name.startswith("jumprelu"):
            return positive * (pre > weights["threshold"])
        if name.startswith("topk"):
            kth = pre.topk(config["k"], dim=1).values[:, -1:]
            return positive * (pre >= kth)
        return positive

    def output(rows: Tensor) -> Tensor:
        _, centre, spread = entering(rows)
        made = (latents(rows) @ weights["W_dec"] + weights["b_dec"]) * spread + centre
        return made + rows @ weights["W_skip"].T if "W_skip" in weights else made

    arm = Arm(**json.loads((folder / "arm.json").read_bytes()))
    return Truth(arm, latents, output, weights["W_dec"])
