"""What each text's next tokens cost the model more when sets of latents are ablated.

With CE the mean cross-entropy of a text's counted next-token targets, in nats a token,

    delta CE = CE under the ablation - CE of the model as it is

Errors stay: what no latent writes is untouched, so that with nothing ablated it is 0.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from sparring.coders.coder import Coder
from sparring.cross_entropy import sequence_losses
from sparring.errors import SparringError
from sparring.feature_sets.runs import Outcome, Runs
from sparring.feature_sets.sets import Columns, Drawn
from sparring.patching import Ablation, Means
from sparring.progress import progress
from sparring.unlearning.plan import UnlearningPlan

_TOLERANCE = 1e-4  # nats a token

Nats = Float[np.ndarray, " text"]


def nats_per_token(model: Any) -> Outcome:
    """The cross-entropy of each text, over its counted targets; position 0 never counts, so that there is one."""
    return lambda ids, counted: sequence_losses(model, ids, counted) / counted[:, 1:].sum(dim=1)


class Forgetting(NamedTuple):
    """The model on some texts, with what stands in for the latents that are ablated, and the multiple they keep."""

    runs: Runs
    coders: Sequence[Coder]
    means: Sequence[Means]
    multiple: float = 0.0

    def clean(self) -> Nats:
        """CE of the model as it is."""
        return self.runs.clean.numpy()

    def delta(self, columns: Columns) -> Nats:
        """Delta CE with these latents of each coder ablated."""
        ablations = []
        for coder, means, some in zip(self.coders, self.means, columns, strict=True):
            kept = torch.ones(coder.n_latents, dtype=torch.bool)
            kept[torch.from_numpy(some)] = False
            ablations.append(Ablation(coder, kept, means, errors_stay=True, multiple=self.multiple))
        return self.runs.run(ablations).numpy() - self.clean()


def deltas(model: Forgetting, drawn: Drawn, plan: UnlearningPlan) -> dict[str, Nats]:
    """Delta CE of each text: "set SIZE" and "random SIZE I".

    Raises SparringError if ablating nothing does not leave the model alone.
    """
    _require_unchanged(model.delta(drawn.of(0)))
    conditions, found = list(_conditions(drawn, plan)), {}
    with progress(len(conditions), desc="runs under ablation", unit="run") as bar:
        for name, columns in conditions:
            found[name] = model.delta(columns)
            bar.update(1)
    return found


def _conditions(drawn: Drawn, plan: UnlearningPlan) -> Iterator[tuple[str, Columns]]:
    for size in plan.sizes:
        yield f"set {size}", drawn.of(size)
        for number, twin in enumerate(drawn.twins[size]):
            yield f"random {size} {number}", twin


def _require_unchanged(none: Nats) -> None:
    moved = float(np.abs(none).max())
    if not moved <= _TOLERANCE:
        raise SparringError(
            f"unlearning: with nothing ablated a text costs {moved:.2g} nats a token more or less: its ablations would "
            "be wrong"
        )
