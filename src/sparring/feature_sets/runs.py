"""The subject run on the same texts again and again with other latents held at their means."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sparring.device import device
from sparring.patching import Ablation, ablated
from sparring.probing.pooling import pooled
from sparring.probing.task_tokens import TaskTokens
from sparring.resume import resumed
from sparring.subject_model import SiteReader

_TEXTS = 16  # of a forward pass


class Runs:
    """Mean rows of the readout site over each text's counted tokens, as the model is and under ablations.

    block: no ablation reads or writes before it, so that what enters it is kept of the first pass; None: keep nothing.
    """

    def __init__(self, model: Any, texts: TaskTokens, *, readout: str, block: int | None = None) -> None:
        self._model, self._readout, self._block = model, readout, block
        length = texts.counted.shape[1] - texts.counted[:, ::-1].argmax(axis=1)
        order = np.argsort(-length, kind="stable")
        self._batches = [order[start : start + _TEXTS] for start in range(0, len(order), _TEXTS)]
        self._ids = [torch.from_numpy(texts.ids[at, : length[at].max()]).long() for at in self._batches]
        self._counted = [torch.from_numpy(texts.counted[at, : length[at].max()]).bool() for at in self._batches]
        self._entered: list[Tensor] = []
        self.clean: Float[Tensor, "text d"] = self._in_order([self._first(batch) for batch in range(len(self._ids))])
        """Of the model as it is."""

    def run(self, ablations: Sequence[Ablation]) -> Float[Tensor, "text d"]:
        """The same under `ablations`."""
        return self._in_order([self._again(batch, ablations) for batch in range(len(self._ids))])

    def _first(self, batch: int) -> Float[Tensor, "text d"]:
        entry = () if self._block is None else (f"layers.{self._block}.resid_pre",)
        found = SiteReader(self._model, (*entry, self._readout)).read(self._ids[batch].to(device()))
        if entry:
            self._entered.append(found[entry[0]])
        return pooled(found[self._readout].float(), self._counted[batch].to(device())).cpu()

    def _again(self, batch: int, ablations: Sequence[Ablation]) -> Float[Tensor, "text d"]:
        if self._block is None:
            raise ValueError("what enters a block was not kept")
        counted = self._counted[batch].to(device())
        with resumed(self._model, self._block, self._entered[batch]), ablated(self._model, ablations, where=counted):
            found = SiteReader(self._model, (self._readout,)).read(self._ids[batch].to(device()))
        return pooled(found[self._readout].float(), counted).cpu()

    def _in_order(self, parts: Sequence[Tensor]) -> Float[Tensor, "text d"]:
        rows = torch.cat(list(parts))
        return rows[torch.from_numpy(np.argsort(np.concatenate(self._batches)))]
