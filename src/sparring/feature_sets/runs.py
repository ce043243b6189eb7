"""The subject run on the same texts again and again with other latents held at their means."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sparring.coders.coder import Coder
from sparring.device import device
from sparring.hooks import site_module, visit_site
from sparring.patching import Ablation, ablated
from sparring.probing.pooling import pooled
from sparring.probing.task_tokens import TaskTokens
from sparring.resume import resumed
from sparring.sites import Site, parse_site
from sparring.subject_model import SiteReader

_TEXTS = 16  # of a forward pass

Ids = Int[Tensor, "text position"]
Counted = Bool[Tensor, "text position"]
Outcome = Callable[[Ids, Counted], Float[Tensor, "text *figures"]]
"""What is read off a forward pass, one row a text; it makes the pass."""


def mean_rows_at(model: Any, site: str) -> Outcome:
    """The mean row of `site` over each text's counted tokens."""
    reader = SiteReader(model, (site,))
    return lambda ids, counted: pooled(reader.read(ids)[site].float(), counted)


def first_block(coders: Sequence[Coder]) -> int:
    """The block before which no ablation of these coders reads or writes."""
    return min(parse_site(site).layer for one in coders for site in (one.read_site, one.write_site))


class Runs:
    """An outcome of each text, as the model is and under ablations.

    block: no ablation reads or writes before it, so that what enters it is kept of the first pass; None: keep nothing.
    at_once: texts of a forward pass.
    """

    def __init__(
        self, model: Any, texts: TaskTokens, outcome: Outcome, *, block: int | None = None, at_once: int = _TEXTS
    ) -> None:
        self._model, self._outcome, self._block = model, outcome, block
        length = texts.counted.shape[1] - texts.counted[:, ::-1].argmax(axis=1)
        order = np.argsort(-length, kind="stable")
        self._batches = [order[start : start + at_once] for start in range(0, len(order), at_once)]
        self._ids = [torch.from_numpy(texts.ids[at, : length[at].max()]).long() for at in self._batches]
        self._counted = [torch.from_numpy(texts.counted[at, : length[at].max()]).bool() for at in self._batches]
        self._entered: list[Tensor] = []
        self.clean: Float[Tensor, text * figures] = self._in_order(
            [self._first(batch) for batch in range(len(self._ids))]
        )
        """Of the model as it is."""

    def run(self, ablations: Sequence[Ablation]) -> Float[Tensor, "text *figures"]:
        """The same under `ablations`."""
        return self._in_order([self._again(batch, ablations) for batch in range(len(self._ids))])

    def _first(self, batch: int) -> Tensor:
        with ExitStack() as hooks:
            if self._block is not None:
                entry = Site(self._block, "resid_pre")
                hooks.callback(visit_site(site_module(self._model, entry), entry, self._entered.append).remove)
            return self._read(batch)

    def _again(self, batch: int, ablations: Sequence[Ablation]) -> Tensor:
        if self._block is None:
            raise ValueError("what enters a block was not kept")
        where = self._counted[batch].to(device())
        with resumed(self._model, self._block, self._entered[batch]), ablated(self._model, ablations, where=where):
            return self._read(batch)

    def _read(self, batch: int) -> Tensor:
        return self._outcome(self._ids[batch].to(device()), self._counted[batch].to(device())).cpu()

    def _in_order(self, parts: Sequence[Tensor]) -> Tensor:
        rows = torch.cat(list(parts))
        return rows[torch.from_numpy(np.argsort(np.concatenate(self._batches)))]
