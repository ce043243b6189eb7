"""Faithfulness and completeness of feature sets by mean ablation (Marks et al. 2024, sparse feature circuits).

m is the readout's margin: mean logit of the class's test texts minus that of the others. With C the set and M the
model,

    faithfulness = (m(C) - m(empty)) / (m(M) - m(empty))        every latent outside C is held at its mean
    complement   = (m(M \\ C) - m(empty)) / (m(M) - m(empty))    every latent of C is, and nothing else
    completeness = 1 - complement

once with the coders' errors as they come (errors_stay), once with these at their means too in C and in empty
(errors_ablated): what is no part of C is part of M \\ C. All coders of the set are ablated in the same pass.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool

from sparring.coders.coder import Coder
from sparring.errors import SparringError
from sparring.feature_sets.plan import FeatureSetPlan
from sparring.feature_sets.runs import Runs
from sparring.feature_sets.sets import Columns, Drawn
from sparring.feature_sets.shares import curve_sizes, shares
from sparring.patching import Ablation, Means
from sparring.probing.readout import Readout
from sparring.progress import progress
from sparring.stats.bootstrap import bootstrap_mean
from sparring.stats.margins import Logits, figure, margins

SWITCHES = {"errors_stay": True, "errors_ablated": False}
_TOLERANCE = 1e-3  # logits, in spreads of the training texts


class Ablated(NamedTuple):
    """The model on some texts, with what it takes to ablate the plan's coders and to read the outcome."""

    runs: Runs
    coders: Sequence[Coder]
    means: Sequence[Means]
    readout: Readout
    positive: Bool[np.ndarray, " text"]

    def clean(self) -> Logits:
        """Logits of the model as it is."""
        return self.readout.logits(self.runs.clean)

    def logits(self, columns: Columns, *, errors_stay: bool, complement: bool = False) -> Logits:
        """With these latents kept alone; complement: with all others kept alone."""
        ablations = []
        for coder, means, some in zip(self.coders, self.means, columns, strict=True):
            kept = torch.full((coder.n_latents,), complement)
            kept[torch.from_numpy(some)] = not complement
            ablations.append(Ablation(coder, kept, means, errors_stay))
        return self.readout.logits(self.runs.run(ablations))


def faithfulness(model: Ablated, drawn: Drawn, plan: FeatureSetPlan) -> dict[str, Any]:
    """{"accuracy", "clean", switch: see `shares`} for both of SWITCHES; accuracy and margin are the readout's.

    Raises SparringError if keeping every latent and error does not leave the logits alone.
    """
    clean = model.clean()
    right = bootstrap_mean((clean > 0) == model.positive, resamples=plan.resamples, seed=plan.seed)
    found: dict[str, Any] = {"accuracy": {"value": right.estimate, "ci95": list(right.ci), "n": len(clean)}}
    logits = {"clean": clean}
    plans = {switch: list(_conditions(drawn, plan, errors_stay=stay)) for switch, stay in SWITCHES.items()}
    with progress(sum(map(len, plans.values())), desc="runs under ablation", unit="run") as bar:
        for switch, conditions in plans.items():
            stay = SWITCHES[switch]
            for name, columns in conditions:  # complements, in which errors stay, are kept for the second switch
                logits[name] = model.logits(columns, errors_stay=stay, complement=name.startswith("complement"))
                bar.update(1)
            if stay:
                _require_unchanged(clean, logits["all"])
            at = margins(logits, model.positive, resamples=plan.resamples, seed=plan.seed)
            found["clean"] = figure(at["clean"], len(clean))
            found[switch] = shares(at, drawn, plan, n=len(clean), seen=right.ci[0] > 0.5)
            logits = {name: one for name, one in logits.items() if name.startswith(("clean", "complement"))}
    return found


def _conditions(drawn: Drawn, plan: FeatureSetPlan, *, errors_stay: bool) -> Iterator[tuple[str, Columns]]:
    """The name of each run and the latents it is about."""
    none = drawn.of(0)
    yield "empty", none
    yield "all", drawn.orders
    for size in curve_sizes(drawn, plan):
        yield f"set {size}", drawn.of(size)
    for size in plan.sizes:
        chosen = drawn.of(size)
        for number, twin in enumerate(drawn.twins[size][: plan.random_faithful]):
            yield f"random {size} {number}", twin
        if errors_stay:
            yield f"complement {size}", chosen
            for depth in range(1, len(chosen)):
                yield f"build_up {size} {depth}", [*chosen[:depth], *none[depth:]]


def _require_unchanged(clean: Logits, kept: Logits) -> None:
    moved = float(np.abs(clean - kept).max())
    if not moved <= _TOLERANCE:
        raise SparringError(
            f"feature_sets: keeping every latent and error moves a readout by {moved:.2g} spreads: its ablations would "
            "be wrong"
        )
