"""Sets of latents: the strongest of each coder for one class, and random ones that fire as often.

A set is judged by a fresh probe on it alone. Its random twins hold, for each latent of it, another of the same coder
with about the same firing rate: what is left is the choice itself, not that frequent latents tell more.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor, cat

from sparring.errors import SparringError
from sparring.probing.contrasts import Contrast
from sparring.probing.probe import right, strongest

_NEAREST = 20  # of which one is drawn

Latents = Float[Tensor, "text latent"]
Answers = Bool[np.ndarray, " test"]


def strongest_set(coders: Sequence[Latents], contrast: Contrast, size: int) -> list[Int[np.ndarray, " size"]]:
    """The `size` latents of each coder with the largest difference of class means on the training texts."""
    return [strongest(latents[contrast.train.texts], contrast.train.positive, size) for latents in coders]


def matched_sets(
    coders: Sequence[Latents], chosen: Sequence[Int[np.ndarray, " size"]], contrast: Contrast, rng: np.random.Generator
) -> list[Int[np.ndarray, " size"]]:
    """One random set: for each chosen latent one of the 20 others nearest to it in firing rate, each at most once.

    Firing rate: the share of training texts in which the latent fires at all. SparringError where a coder has too few.
    """
    found = []
    for latents, mine in zip(coders, chosen, strict=True):
        rate = (latents[contrast.train.texts] > 0).double().mean(dim=0).numpy()
        free = np.ones(len(rate), dtype=bool)
        free[mine] = False
        if free.sum() < len(mine):
            raise SparringError(
                f"feature_sets.sizes: {len(mine)} of {len(rate)} latents leave too few for a random set; lower it"
            )
        taken = []
        for latent in rng.permutation(mine):
            there = np.flatnonzero(free)
            near = there[np.argsort(np.abs(rate[there] - rate[latent]), kind="stable")[:_NEAREST]]
            taken.append(int(rng.choice(near)))
            free[taken[-1]] = False
        found.append(np.array(taken))
    return found


def answers(coders: Sequence[Latents], columns: Sequence[Int[np.ndarray, " size"]], contrast: Contrast) -> Answers:
    """Whether a fresh probe on these latents is right about each test text."""
    x = cat([latents[:, np.sort(some)] for latents, some in zip(coders, columns, strict=True)], dim=1)
    return right(x[contrast.train.texts], contrast.train.positive, x[contrast.test.texts], contrast.test.positive)
