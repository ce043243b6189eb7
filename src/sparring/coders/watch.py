"""Watches a coder while sparsify trains it: upstream logs to Weights & Biases only."""

from typing import Any

from torch import nn

from sparring.coders.losses import Losses
from sparring.coders.upstream import ForwardOutput, SparseCoder


class Watch:
    """A forward hook on `coder`: the loss of each step, when each latent last fired, and a bar in rows.

    `pieces`: into how many forward passes the Trainer cuts a batch. Raises SparringError at a loss that is no number.
    """

    def __init__(self, coder: SparseCoder, *, batch_rows: int, pieces: int, bar: Any) -> None:
        self._rows, self._pieces, self._bar = batch_rows, pieces, bar
        self.losses = Losses(coder.num_latents, batch_rows=batch_rows, device=coder.device)
        self._calls = 0
        coder.register_forward_hook(self._after)

    def _after(self, module: nn.Module, args: tuple[Any, ...], output: ForwardOutput) -> None:
        step = self._calls // self._pieces
        self._calls += 1
        # Upstream counts a latent as firing when TopK picks it, even at value 0; here it must be positive.
        if self.losses.add(step, float(output.fvu.detach()), output.latent_indices[output.latent_acts > 0]):
            self._bar.update(self._rows)
