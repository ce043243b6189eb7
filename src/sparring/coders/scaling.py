"""Rows scaled to unit RMS for training, and folded back into the weights so that any reader takes raw rows.

A coder is trained on u = x / a (what it reads) and v = y / b (what it writes), a and b one number a site:

    SAE (a = b):       z = TopK(relu(W_enc (u - b_dec) + b_enc)),   v_hat = W_dec^T z + b_dec
    skip transcoder:   z = TopK(relu(W_enc u + b_enc)),             v_hat = W_dec^T z + W_skip u + b_dec

Asking for the same z from x and for y_hat = b v_hat gives, for both kinds,

    W_enc' = W_enc / a,   b_enc' = b_enc,   W_dec' = b W_dec,   b_dec' = b b_dec,   W_skip' = (b / a) W_skip

(for an SAE, u - b_dec = (x - a b_dec) / a, and b_dec' = a b_dec because a = b). Latent values therefore stay in the
scaled space, and decoder rows have norm b. The scale used is the power of two nearest the measured RMS: multiplying by
a power of two is exact in floating point, so the folded coder picks bit for bit the same latents, no near-tie flips,
and scaled rows lose nothing. The scaled RMS then lies in [0.71, 1.41].
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sparring.coders.upstream import SparseCoder
from sparring.errors import SparringError


@dataclass(frozen=True)
class Scaling:
    """Measured RMS a site, and the powers of two that rows are divided by in training (1 when scaling is off)."""

    input_rms: float
    output_rms: float
    input_scale: float
    output_scale: float

    def as_dict(self) -> dict[str, float]:
        """The four numbers, as written to scaling.json."""
        return asdict(self)


def rms(blocks: Iterable[Float[Tensor, "_ _"]]) -> float:
    """Root mean square over all entries, summed in float64; SparringError if it is not positive and finite."""
    total, count = 0.0, 0
    for block in blocks:
        total += float(block.double().square().sum())
        count += block.numel()
    value = math.sqrt(total / count) if count else 0.0
    if not (value > 0 and math.isfinite(value)):
        raise SparringError(
            f"the activations' RMS is {value} over {count} entries; recapture them in float32 or bfloat16"
        )
    return value


def nearest_power_of_two(value: float) -> float:
    """The power of two nearest `value` > 0 in ratio, e.g. 3.0 -> 4.0 and 2.8 -> 2.0."""
    return 2.0 ** round(math.log2(value))


@torch.no_grad()
def fold(coder: SparseCoder, scaling: Scaling) -> None:
    """Change `coder` in place from scaled rows to raw rows (formulas above)."""
    if coder.W_dec is None:
        raise SparringError("a coder loaded without its decoder cannot be folded; load it with decoder=True")
    a, b = scaling.input_scale, scaling.output_scale
    coder.encoder.weight.div_(a)
    coder.W_dec.mul_(b)
    coder.b_dec.mul_(b)
    if coder.W_skip is not None:
        coder.W_skip.mul_(b / a)
    # Decoder rows now have norm b: a reader that goes on training must not shrink them to one.
    coder.cfg.normalize_decoder = False
