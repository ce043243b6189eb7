"""A trained arm against a control, example by example: both probes answer for the same test texts.

For each class McNemar's exact test and the paired bootstrap of the difference; over classes the difference of the macro
accuracies, texts resampled for both alike, and McNemar's test for texts that are examples of several classes. p of the
classes is adjusted over the classes of a measure (Benjamini and Hochberg).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparring.errors import SparringError
from sparring.probing.measures import Measured
from sparring.stats.bootstrap import bootstrap_mean
from sparring.stats.family import benjamini_hochberg
from sparring.stats.macro import Answers, macro_accuracy, macro_flips, macro_interval
from sparring.stats.mcnemar import mcnemar

_ROWS = ("residual_all", "difference_of_means", "logistic_direction")


def paired_measures(measured: Measured, *, same_rows: bool) -> list[str]:
    """Those that are paired: the latents', and, where the two models differ, those of the read site's rows."""
    return [name for name in measured if name.startswith("sae_") or (name in _ROWS and not same_rows)]


def paired(
    arm: Measured, twin: Measured, labels: Sequence[str], names: Sequence[str], *, resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """{measure: {"arm", "control", "difference" (arm - control), "ci95", "p", "classes": {class: ...}}}.

    A class has the same keys, and "only_arm" and "only_control", texts that only one got right; "p" is McNemar's, "q"
    is adjusted over classes. Raises SparringError where the two did not answer for the same texts.
    """
    found = {}
    for name in names:
        classes = {
            label: _class(label, a, b, resamples, seed)
            for label, a, b in zip(labels, arm[name], twin[name], strict=True)
        }
        adjusted = benjamini_hochberg({label: one["p"] for label, one in classes.items()})
        found[name] = {
            "arm": macro_accuracy(arm[name]),
            "control": macro_accuracy(twin[name]),
            "difference": macro_accuracy(arm[name]) - macro_accuracy(twin[name]),
            "ci95": list(macro_interval(arm[name], minus=twin[name], resamples=resamples, seed=seed)),
            "p": macro_flips(arm[name], twin[name], resamples=resamples, seed=seed),
            "classes": {label: one | {"q": adjusted[label]} for label, one in classes.items()},
        }
    return found


def _class(label: str, a: Answers, b: Answers, resamples: int, seed: int) -> dict[str, Any]:
    if not np.array_equal(a.texts, b.texts):
        raise SparringError(f"probing: class {label!r} was tested on other texts in the control; pairs need the same")
    difference = bootstrap_mean(a.right.astype(float) - b.right, resamples=resamples, seed=seed)
    test = mcnemar(a.right, b.right)
    return {
        "arm": float(a.right.mean()),
        "control": float(b.right.mean()),
        "difference": difference.estimate,
        "ci95": list(difference.ci),
        "only_arm": test.only_first,
        "only_control": test.only_second,
        "p": test.p,
    }
