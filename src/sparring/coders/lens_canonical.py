"""What is folded into the weights of a sae_lens coder, so that its folder in the store takes raw rows by one formula.

Rows u = x / a of training: W_enc / a, W_dec * a, b_dec * a, and b_enc and thresholds as they are, since latents stay in
the scaled space (sparring.coders.scaling); a is a power of two, so nothing is rounded. A coder that was trained on
rows times a factor s, which sae_lens calls expected_average_only_in, is the same with a = 1 / s.
"""

from pathlib import Path
from typing import Any

import torch
from sae_lens import SAE

from sparring.activation_cache import ActivationCache
from sparring.coders.format import write_format
from sparring.coders.lens_files import lens_config
from sparring.errors import SparringError

_BLOCK = 16_384


@torch.no_grad()
def fold_scale(sae: SAE[Any], scale: float) -> None:
    """Change an SAE for rows divided by `scale` into one for raw rows, in place."""
    if "transcoder" in sae.cfg.architecture():
        # sae_lens would take the output for one in the input's units, and leave W_skip as it is.
        raise SparringError("a scale on a transcoder's input cannot be folded by sae_lens; fold it before")
    sae.fold_activation_norm_scaling_factor(1 / scale)


@torch.no_grad()
def fold_decoder_norms(sae: SAE[Any]) -> None:
    """Undo `rescale_acts_by_decoder_norm` in place: latents and output stay, decoder rows get norm 1."""
    if getattr(sae.cfg, "rescale_acts_by_decoder_norm", False):
        sae.fold_W_dec_norm()
        sae.cfg.rescale_acts_by_decoder_norm = False


@torch.no_grad()
def fold_average_norm(sae: SAE[Any], cache: ActivationCache, site: str) -> float | None:
    """Fold expected_average_only_in, where `sae` has it, and return the factor s = sqrt(d) / mean of ||x||.

    Such a coder takes rows times s, whose norm is sqrt(d) on average (Anthropic, April 2024); its folder does not hold
    s, so it is measured on the cached train rows of `site`, by sae_lens's own formula. None for any other coder.
    """
    if sae.cfg.normalize_activations != "expected_average_only_in":
        return None
    d, total = cache.d(site), 0.0
    for block in cache.blocks("train", (site,), _BLOCK):
        total += float(block[site].double().norm(dim=1).sum())
    factor = d**0.5 * cache.rows("train") / total
    fold_scale(sae, 1 / factor)
    return factor


def save_canonical(sae: SAE[Any], out: Path) -> None:
    """Write `sae` in float32 as sae_lens does, and the format. SparringError for what no reader here takes."""
    sae = sae.to(dtype=torch.float32, device="cpu")  # cfg.json names the device: it must not tell where it was made
    lens_config(sae.cfg.to_dict())
    sae.save_model(out)
    write_format(out, "sae_lens")
