"""Which texts a graph is found on: some to choose nodes, some to rank edges, some to try the pruned graph."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from sparring.edges.plan import EdgesPlan
from sparring.errors import SparringError
from sparring.probing.contrasts import Contrast, Examples


class Drawn(NamedTuple):
    """Texts in an order of which every even number is of the class, every odd one is not."""

    texts: Int[np.ndarray, " text"]

    @property
    def positive(self) -> Bool[np.ndarray, " text"]:
        """Whether each is of the class."""
        return np.arange(len(self.texts)) % 2 == 0


class Split(NamedTuple):
    """readout: training texts it is fitted on. choosing: the first of them. measured: test texts."""

    readout: Drawn
    choosing: Drawn
    measured: Drawn

    @property
    def tried(self) -> Bool[np.ndarray, " text"]:
        """Of the measured texts: those that try the pruned graph; the others rank edges."""
        return np.arange(len(self.measured.texts)) >= len(self.measured.texts) // 2


def draw_texts(contrast: Contrast, plan: EdgesPlan) -> Split:
    """As many as wanted, or there are. Raises SparringError where the class has fewer than four test texts."""
    readout = _drawn(contrast.train, plan.train_texts)
    measured = _drawn(contrast.test, plan.texts)
    if len(measured.texts) < 8 or len(readout.texts) < 8:
        raise SparringError(
            f"edges: class {contrast.label!r} of task {plan.task} has {len(readout.texts)} training and "
            f"{len(measured.texts)} test texts with as many others; 8 each are the least, raise the task's numbers"
        )
    return Split(readout, Drawn(readout.texts[: plan.texts]), measured)


def _drawn(examples: Examples, number: int) -> Drawn:
    mine, others = examples.texts[examples.positive], examples.texts[~examples.positive]
    each = min(number // 2, len(mine), len(others)) // 2 * 2
    return Drawn(np.stack([mine[:each], others[:each]], axis=1).reshape(-1))
