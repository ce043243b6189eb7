"""Our coders as sae_lens's own classes: the one place where sparsify's conventions become sae_lens's.

sparsify subtracts `b_dec` from the input of an SAE and not from that of a transcoder: `apply_b_dec_to_input` says so.
Its decoder rows are used as they are (`rescale_acts_by_decoder_norm=False`), its encoder is stored transposed. sae_lens
reads sparsify's folders itself, but wrongly (tests/test_sae_lens_adapter.py shows how), and its skip transcoder knows
ReLU alone, so one with TopK stands here and is registered under its own name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from sae_lens import SAE, SkipTranscoder, SkipTranscoderConfig, TopKSAE, TopKSAEConfig
from sae_lens.registry import register_sae_class
from sae_lens.saes.sae import SAEMetadata
from sae_lens.saes.topk_sae import TopK
from torch import Tensor
from typing_extensions import override

from sparring.coders.coder import Coder
from sparring.device import device
from sparring.sites import parse_site


@dataclass
class TopKSkipTranscoderConfig(SkipTranscoderConfig):
    """A skip transcoder whose latents are the `k` largest after ReLU."""

    metadata: Any = field(default_factory=SAEMetadata)  # sae_lens first makes it with a dict, then puts the object in
    k: int = 32

    @override
    @classmethod
    def architecture(cls) -> str:
        return "topk_skip_transcoder"


class TopKSkipTranscoder(SkipTranscoder):
    """y_hat = W_dec^T TopK(relu(W_enc^T x + b_enc)) + W_skip x + b_dec."""

    cfg: TopKSkipTranscoderConfig

    @override
    def get_activation_fn(self) -> Callable[[Tensor], Tensor]:
        return TopK(self.cfg.k)


register_sae_class("topk_skip_transcoder", TopKSkipTranscoder, TopKSkipTranscoderConfig)


@torch.no_grad()
def to_sae_lens(coder: Coder) -> SAE[Any]:
    """A TopKSAE or TopKSkipTranscoder (W_skip 0 for a plain one) with the weights of `coder`; it takes raw rows."""
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


def load_sae_lens(folder: Path) -> SAE[Any]:
    """What `save_sae_lens` wrote, through sae_lens's own loader."""
    return SAE.load_from_disk(folder, device=str(device())).eval().requires_grad_(False)


def _metadata(coder: Coder) -> SAEMetadata:
    read, write = parse_site(coder.read_site), parse_site(coder.write_site)
    return SAEMetadata(hook_name=read.lens_hook, hook_name_out=write.lens_hook, prepend_bos=True)
