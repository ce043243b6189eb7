"""A coder as sae_lens keeps it, read without sae_lens: cfg.json and sae_weights.safetensors.

Every architecture that is taken is one formula, with W_enc [d, latents] and W_dec [latents, d_out]:

    pre = (norm(x) - b_dec) W_enc + b_enc          b_dec only where apply_b_dec_to_input says so
    z = relu(pre), TopK(relu(pre)) or, by JumpReLU, relu(pre) [pre > threshold]; BatchTopK and Matryoshka are saved so
    x_hat = norm's inverse(z W_dec + b_dec) + x W_skip^T

norm is one of two that sae_lens works out row by row as it runs: layer_norm, constant_norm_rescale. What can be folded
into the weights was folded when the coder came into the store (sparring.coders.lens_canonical); what is neither is
refused here, once for all readers.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from sparring.coders.recipe import Kind
from sparring.device import device
from sparring.errors import SparringError

Norm = Literal["none", "layer_norm", "constant_norm_rescale"]
WEIGHTS, CONFIG = "sae_weights.safetensors", "cfg.json"
_KINDS: dict[str, Kind] = {
    "standard": "sae",
    "topk": "sae",
    "jumprelu": "sae",
    "transcoder": "transcoder",
    "jumprelu_transcoder": "transcoder",
    "skip_transcoder": "skip-transcoder",
    "jumprelu_skip_transcoder": "skip-transcoder",
    "topk_skip_transcoder": "skip-transcoder",
}
_EPSILON = 1e-5  # sae_lens's, in layer_norm


@dataclass(frozen=True)
class LensConfig:
    """What of a cfg.json decides the formula. k: of TopK, else None; centred: whether b_dec is taken off the input."""

    architecture: str
    kind: Kind
    d_in: int
    d_out: int
    n_latents: int
    k: int | None
    centred: bool
    norm: Norm


class Statistics(NamedTuple):
    """What undoes a norm: x = normed * spread + centre."""

    centre: Float[Tensor, "rows 1"] | float
    spread: Float[Tensor, "rows 1"] | float


def read_lens_config(folder: Path) -> LensConfig:
    """The configuration of the coder in `folder`. Raises SparringError for what cannot be taken (see lens_config)."""
    path = folder / CONFIG
    if not path.is_file():
        raise SparringError(f"no {CONFIG} in the coder's folder; sae_lens writes it beside {WEIGHTS}")
    return lens_config(json.loads(path.read_bytes()))


def lens_config(raw: Mapping[str, Any]) -> LensConfig:
    """The configuration that a cfg.json of sae_lens (version 6) holds.

    Raises SparringError for an architecture whose latents may be negative or are no function of one row, for attention
    heads, and for statistics that lie outside the folder.
    """
    architecture = str(raw.get("architecture", "standard"))
    kind = kind_of(architecture)
    if raw.get("reshape_activations", "none") != "none":
        raise SparringError("a coder of attention heads (hook_z) has no site here; take one of a residual or MLP site")
    if raw.get("rescale_acts_by_decoder_norm", False):
        raise SparringError("rescale_acts_by_decoder_norm is left in cfg.json; bring the coder in anew to fold it")
    norm = raw.get("normalize_activations") or "none"
    if norm not in ("none", "layer_norm", "constant_norm_rescale"):
        raise SparringError(f"normalize_activations {norm!r} takes statistics that the coder's folder does not hold")
    if norm != "none" and kind != "sae":
        raise SparringError(
            f"normalize_activations {norm!r} of a transcoder: sae_lens does not undo it on the output; fold it first"
        )
    d_in = int(raw["d_in"])
    return LensConfig(
        architecture=architecture,
        kind=kind,
        d_in=d_in,
        d_out=int(raw.get("d_out", d_in)) if kind != "sae" else d_in,
        n_latents=int(raw["d_sae"]),
        k=int(raw["k"]) if architecture.startswith("topk") else None,
        centred=bool(raw.get("apply_b_dec_to_input", True)) and kind == "sae",
        norm=cast(Norm, norm),
    )


def kind_of(architecture: str) -> Kind:
    """The kind of coder that a sae_lens architecture is. SparringError for one that is not taken here."""
    if architecture not in _KINDS:
        raise SparringError(
            f"sae_lens architecture {architecture!r} is unknown here; it is one of {', '.join(sorted(_KINDS))} "
            "(BatchTopK and Matryoshka are saved as jumprelu)"
        )
    return _KINDS[architecture]


def read_lens_weights(folder: Path) -> dict[str, Tensor]:
    """W_enc, W_dec, b_enc, b_dec and, where there is one, threshold and W_skip, in float32 on the processor in use."""
    return {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS, device=str(device())).items()}


def normed(x: Float[Tensor, "rows d"], norm: Norm) -> tuple[Float[Tensor, "rows d"], Statistics]:
    """Rows under `norm`, and what undoes it; a norm of sae_lens's own formulas."""
    if norm == "layer_norm":
        centre = x.mean(dim=-1, keepdim=True)
        spread = (x - centre).std(dim=-1, keepdim=True)
        # The inverse multiplies by the spread alone, without the epsilon; so does sae_lens.
        return (x - centre) / (spread + _EPSILON), Statistics(centre, spread)
    if norm == "constant_norm_rescale":
        factor = x.shape[-1] ** 0.5 / x.norm(dim=-1, keepdim=True)
        return x * factor, Statistics(0.0, 1 / factor)
    return x, Statistics(0.0, 1.0)
