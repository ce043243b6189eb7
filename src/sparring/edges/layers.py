"""The coders of a graph: their means, the latents that are its nodes, and which layer can reach which directly."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sparring.coders.coder import Coder
from sparring.coders.encoding import Encoder
from sparring.device import device
from sparring.errors import SparringError
from sparring.probing.task_rows import TaskRows
from sparring.sites import parse_site

_TEXTS = 32  # encoded at a time: every latent of every token is held


@dataclass(frozen=True)
class Layer:
    """One coder. y = sum_i z_i d_i + rest, with the coder's bias, skip and error in the rest."""

    encoder: Encoder
    decoder: Float[Tensor, "latent d"]
    mean: Float[Tensor, " latent"]
    """Of each latent over counted tokens of training texts."""
    mean_row: Float[Tensor, " d"]
    """Of the write site, over the same tokens."""
    fires: Bool[Tensor, " latent"]
    """On any of these tokens."""
    nodes: Int[Tensor, " node"]

    @property
    def name(self) -> str:
        """Of its arm."""
        return self.encoder.arm.name

    @property
    def read(self) -> str:
        """Its read site."""
        return self.encoder.arm.read_site

    @property
    def write(self) -> str:
        """Its write site."""
        return self.encoder.arm.write_site

    @property
    def directions(self) -> Float[Tensor, "node d"]:
        """The nodes' decoder rows."""
        return self.decoder[self.nodes]

    @property
    def node_means(self) -> Float[Tensor, " node"]:
        """The nodes' means."""
        return self.mean[self.nodes]

    def dense(self, x: Float[Tensor, "row d_in"]) -> Float[Tensor, "row latent"]:
        """Every latent, without gradients."""
        return self.encoder.dense(x)

    def latents(self, x: Float[Tensor, "row d_in"]) -> Float[Tensor, "row node"]:
        """The nodes' latents; the gradient is that of the latents active, which stay so (as TopK's has it)."""
        encoder = self.encoder
        weight, bias = encoder.weight[self.nodes], encoder.bias[self.nodes]
        pre = (x if encoder.centre is None else x - encoder.centre) @ weight.T + bias
        if encoder.k is not None:
            return pre * (encoder.dense(x.detach())[:, self.nodes] > 0)
        floor = 0 if encoder.threshold is None else encoder.threshold[self.nodes].clamp(min=0)
        return pre * (pre.detach() > floor)


def load_layer(coder: Path, task_rows: Path, is_train: Bool[Tensor, " text"]) -> Layer:
    """A coder with its means over the training texts' rows and no nodes yet. SparringError for a row-wise norm."""
    encoder = Encoder.load(coder)
    if encoder.norm != "none":
        raise SparringError(
            f"edges: {encoder.arm.name} scales every row by itself ({encoder.norm}), so that a latent writes no fixed "
            "direction; name a coder without"
        )
    return Layer(
        encoder,
        Coder.load(coder).decoder,
        *_means(encoder, task_rows, is_train),
        nodes=torch.zeros(0, dtype=torch.long, device=device()),
    )


@torch.no_grad()
def _means(
    encoder: Encoder, task_rows: Path, is_train: Bool[Tensor, " text"]
) -> tuple[Float[Tensor, " latent"], Float[Tensor, " d"], Bool[Tensor, " latent"]]:
    total = torch.zeros(encoder.n_latents, dtype=torch.float64, device=device())
    fires = torch.zeros(encoder.n_latents, dtype=torch.bool, device=device())
    written, rows, start = None, 0, 0
    with TaskRows(task_rows) as cached:
        for read, write in zip(
            cached.batches(encoder.arm.read_site, _TEXTS), cached.batches(encoder.arm.write_site, _TEXTS), strict=True
        ):
            mine = read.counted & is_train[start : start + len(read.counted), None]
            start += len(read.counted)
            if not mine.any():
                continue
            latents = encoder.dense(read.acts[mine].to(device()))
            total += latents.double().sum(dim=0)
            fires |= (latents > 0).any(dim=0)
            some = write.acts[mine].double().sum(dim=0)
            written = some if written is None else written + some
            rows += int(mine.sum())
    if written is None:
        raise SparringError("edges: the task has no training text")
    return (total / rows).float(), (written / rows).float().to(device()), fires


def sources(layers: Sequence[Layer], target: int) -> list[int]:
    """The layers that reach `target` directly; len(layers) is the readout.

    What an earlier layer does passes every coder in between, held as it is, on the residual stream; where that coder
    writes the residual stream itself, nothing does.
    """
    found: list[int] = []
    for number in reversed(range(target)):
        found.insert(0, number)
        if parse_site(layers[number].write).place.startswith("resid"):
            break
    return found


def targets(layers: Sequence[Layer], source: int) -> list[int]:
    """The layers, and the readout, that `source` reaches directly."""
    return [number for number in range(source + 1, len(layers) + 1) if source in sources(layers, number)]
