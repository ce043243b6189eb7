"""What is kept of a training: the loss of each step, and when each latent last fired."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from sparring.errors import SparringError

_CURVE_POINTS = 200
_DEAD_WINDOW = 100_000  # rows at the end of training in which a live latent must have fired


class Losses:
    """Fills up while a coder trains; `summary` and `curve` are written beside it. Losses are FVU of a batch."""

    def __init__(self, n_latents: int, *, batch_rows: int, device: torch.device) -> None:
        self._rows = batch_rows
        self._fvu: list[float] = []
        self._fired_at = torch.full((n_latents,), -1, dtype=torch.long, device=device)

    def add(self, step: int, loss: float, fired: Int[Tensor, " some"]) -> bool:
        """Add the loss of a step, or of a piece of it, and the latents that fired; whether it was the step's first.

        SparringError at a loss that is no number.
        """
        if not math.isfinite(loss):
            raise SparringError(f"the training loss is {loss} at step {step}; lower lr")
        self._fired_at[fired] = step
        first = step == len(self._fvu)
        if first:
            self._fvu.append(0.0)
        self._fvu[step] += loss  # pieces share the batch's variance, so their losses add up to its FVU
        return first

    def summary(self) -> dict[str, Any]:
        """Steps, rows seen, mean FVU of the last twentieth of the steps, and the share of latents silent at the end."""
        steps = len(self._fvu)
        window = min(steps, -(-_DEAD_WINDOW // self._rows))
        return {
            "steps": steps,
            "rows": steps * self._rows,
            "final_fvu": float(np.mean(self._fvu[-max(1, steps // 20) :])),
            "dead_fraction": float((self._fired_at < steps - window).double().mean()),
            "dead_window_rows": window * self._rows,
        }

    def curve(self) -> list[tuple[int, int, float]]:
        """At most 200 points (step, rows seen, mean FVU since the point before)."""
        ends = np.unique(np.linspace(0, len(self._fvu), _CURVE_POINTS + 1).round().astype(int)).tolist()
        return [(end, end * self._rows, float(np.mean(self._fvu[start:end]))) for start, end in pairwise(ends)]
