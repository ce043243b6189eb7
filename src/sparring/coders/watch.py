"""Watches a coder while sparsify trains it: upstream logs to Weights & Biases only."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from sparring.coders.upstream import ForwardOutput, SparseCoder
from sparring.errors import SparringError

_CURVE_POINTS = 200
_DEAD_WINDOW = 100_000  # rows at the end of training in which a live latent must have fired


class Watch:
    """A forward hook on `coder`: the loss of each step, when each latent last fired, and a bar in rows.

    `pieces`: into how many forward passes the Trainer cuts a batch. Raises SparringError at a loss that is no number.
    """

    def __init__(self, coder: SparseCoder, *, batch_rows: int, pieces: int, bar: Any) -> None:
        self._rows, self._pieces, self._bar = batch_rows, pieces, bar
        self._fvu: list[float] = []
        self._fired_at = torch.full((coder.num_latents,), -1, dtype=torch.long, device=coder.device)
        self._calls = 0
        coder.register_forward_hook(self._after)

    def _after(self, module: nn.Module, args: tuple[Any, ...], output: ForwardOutput) -> None:
        step, piece = divmod(self._calls, self._pieces)
        self._calls += 1
        loss = float(output.fvu.detach())
        if not math.isfinite(loss):
            raise SparringError(f"the training loss is {loss} at step {step}; lower lr")
        # Upstream counts a latent as firing when TopK picks it, even at value 0; here it must be positive.
        self._fired_at[output.latent_indices[output.latent_acts > 0]] = step
        if piece == 0:
            self._fvu.append(0.0)
            self._bar.update(self._rows)
        self._fvu[step] += loss  # pieces share the batch's variance, so their losses add up to its FVU

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
