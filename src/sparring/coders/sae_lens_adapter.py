"""Our coders as sae_lens's own classes: the one place where sparsify's conventions become sae_lens's.

sparsify subtracts `b_dec` from the input of an SAE and not from that of a transcoder: `apply_b_dec_to_input` says so.
Its decoder rows are used as they are (`rescale_acts_by_decoder_norm=False`), its encoder is stored transposed. sae_lens
reads sparsify's folders itself, but wrongly (tests/test_sae_lens_adapter.py shows how). A coder that lies in sae_lens's
files already only gets the names of its sites.
"""

from pathlib import Path
from typing import Any

import torch
from sae_lens import SAE, TopKSAE, TopKSAEConfig
from sae_lens.saes.sae import SAEMetadata

from sparring.coders.coder import Coder
from sparring.coders.lens_classes import TopKSkipTranscoder, TopKSkipTranscoderConfig
from sparring.coders.lens_coder import LensCoder, load_sae_lens
from sparring.coders.sparsify_coder import SparsifyCoder
from sparring.errors import SparringError
from sparring.sites import parse_site

__all__ = ["TopKSkipTranscoder", "load_sae_lens", "save_sae_lens", "to_sae_lens"]


def to_sae_lens(coder: Coder) -> SAE[Any]:
    """A class of sae_lens that is `coder`; it takes raw rows."""
    if isinstance(coder, LensCoder):
        coder.sae.cfg.metadata = _metadata(coder)
        return coder.sae
    if isinstance(coder, SparsifyCoder):
        return _of_sparsify(coder)
    raise SparringError(f"arm {coder.arm.name}: a {type(coder).__name__} has no class in sae_lens")


@torch.no_grad()
def _of_sparsify(coder: SparsifyCoder) -> SAE[Any]:
    """A TopKSAE or TopKSkipTranscoder (W_skip 0 for a plain one) with the weights of `coder`."""
    d = int(coder.weights.d_in)
    common: dict[str, Any] = {
        "d_in": d,
        "d_sae": coder.n_latents,
        "k": coder.k,
        "device": str(coder.weights.device),
        "apply_b_dec_to_input": coder.kind == "sae",
        "metadata": _metadata(coder),
    }
    made: Any
    if coder.kind == "sae":
        made = TopKSAE(TopKSAEConfig(**common, rescale_acts_by_decoder_norm=False))
    else:
        made = TopKSkipTranscoder(TopKSkipTranscoderConfig(**common, d_out=d))
    weights = coder.weights
    made.W_enc.copy_(weights.encoder.weight.T)
    made.b_enc.copy_(weights.encoder.bias)
    made.W_dec.copy_(weights.W_dec)
    made.b_dec.copy_(weights.b_dec)
    if weights.W_skip is not None:
        made.W_skip.copy_(weights.W_skip)
    return made.eval().requires_grad_(False)


def save_sae_lens(coder: Path, out: Path) -> dict[str, Any]:
    """Write the coder in folder `coder` to `out` as `sae_lens.SAE.load_from_disk` reads it; its meta is returned."""
    read = Coder.load(coder)
    made = to_sae_lens(read)
    made.save_model(out)
    return {"arm": read.arm.name, "architecture": made.cfg.architecture(), "metadata": _metadata(read).to_dict()}


def _metadata(coder: Coder) -> SAEMetadata:
    read, write = parse_site(coder.read_site), parse_site(coder.write_site)
    return SAEMetadata(hook_name=read.lens_hook, hook_name_out=write.lens_hook, prepend_bos=True)
