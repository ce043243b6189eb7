"""Forward passes of the subject model in which some latents of some coders are held at their means.

At a coder's write site, with y what stands there, and z the latents and e = y - y_hat the error of what the coder reads
in this very pass (Marks et al. 2024, mean ablation):

    y' = y - sum over latents i not kept of (z_i - zbar_i) d_i          errors stay
    y' = the same - (e - ebar)                                          errors are ablated

zbar and ebar are means over counted tokens. With every latent kept and errors staying, y' is y. An ablated latent may
keep a multiple of what it is, or of its opposite, besides: c z_i + zbar_i (Farrell et al. 2024, negative scaling, with
zbar 0).
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import embedding_bag

from sparring.coders.coder import Coder
from sparring.errors import SparringError
from sparring.splice import EditOfBoth, replaced


@dataclass(frozen=True)
class Means:
    """What stands in for an ablated latent, and for an ablated error."""

    latents: Float[Tensor, " latent"]
    error: Float[Tensor, " d"]


@dataclass(frozen=True)
class Ablation:
    """One coder in the model: the latents that stay as they are; all others are held at their means."""

    coder: Coder
    kept: Bool[Tensor, " latent"]
    means: Means
    errors_stay: bool
    multiple: float = 0.0
    """c, of the latents that are ablated."""

    @torch.no_grad()
    def edit(self) -> EditOfBoth:
        """(rows of the read site, rows of the write site) -> what stands at the write site, without gradients."""
        decoder = self.coder.decoder
        out = ~self.kept.to(decoder.device)
        level = (self.means.latents.to(decoder) * out) @ decoder
        error = self.means.error.to(decoder)

        @torch.no_grad()
        def edited(x: Float[Tensor, "rows d"], y: Float[Tensor, "rows d"]) -> Float[Tensor, "rows d"]:
            made = self.coder.reconstruct(x)
            gone = (1 - self.multiple) * made.values * out[made.indices]
            # The sum of k decoder rows a token: neither [rows, latents] nor [rows, k, d] is ever held.
            new = y - embedding_bag(made.indices, decoder, per_sample_weights=gone, mode="sum") + level
            return new if self.errors_stay else new - (y - made.x_hat) + error

        return edited


@contextmanager
def ablated(model: Any, ablations: Sequence[Ablation], *, where: Bool[Tensor, "batch position"]) -> Iterator[None]:
    """Within it, forward passes of `model` have the ablations at the positions of `where`; the others stay.

    Raises SparringError for two coders that write one site, or one that writes before it reads.
    """
    sites = [one.coder.write_site for one in ablations]
    if len(set(sites)) < len(sites):
        raise SparringError(f"coders that write one site ({', '.join(sites)}) cannot be ablated together; name one")
    with ExitStack() as stack:
        for one in ablations:
            read, write = one.coder.read_site, one.coder.write_site
            stack.enter_context(replaced(model, one.edit(), read=read, write=write, where=where))
        yield
