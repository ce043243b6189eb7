"""The directions that are steered along, unit length, at the coder's write site."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from sparring.errors import SparringError
from sparring.probing.contrasts import Contrast
from sparring.probing.probe import mean_difference


class Direction(NamedTuple):
    """A unit vector, and the latent whose decoder row it is, where it is one."""

    vector: Float[Tensor, " d"]
    latent: int | None


def directions(
    latents: Float[Tensor, "text latent"],
    rows: Float[Tensor, "text d"],
    decoder: Float[Tensor, "latent d"],
    contrast: Contrast,
    *,
    seed: int,
) -> dict[str, Direction]:
    """{"latent", "difference_of_means", "random"}: the decoder row of the latent that is most above the others' mean in
    the class, the difference of the rows' class means, a Gaussian one. latents, rows: means over each text's tokens.

    Raises SparringError where no latent is higher in the class, or a direction has no length.
    """
    train, positive = contrast.train.texts, contrast.train.positive
    gap = mean_difference(latents[train], positive)
    latent = int(gap.argmax())
    if not float(gap[latent]) > 0:
        raise SparringError(f"steering: no latent is higher in class {contrast.label!r} than in the others")
    rng = torch.Generator().manual_seed(seed)
    found = {
        "latent": Direction(decoder[latent], latent),
        "difference_of_means": Direction(mean_difference(rows[train], positive), None),
        "random": Direction(torch.randn(rows.shape[1], generator=rng), None),
    }
    return {name: Direction(_unit(name, one.vector), one.latent) for name, one in found.items()}


def _unit(name: str, vector: Any) -> Float[Tensor, " d"]:
    length = float(vector.norm())
    if not length > 0:
        raise SparringError(f"steering: the {name} direction has length {length}")
    return (vector / length).float()
