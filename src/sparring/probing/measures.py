"""All that is asked of one task: k latents or all, k coordinates or all, and the baselines that a coder has to beat.

`sae_*` is probed on mean latents, `residual_*` on mean rows of the read site (sae_bench's word, whatever the site is).
The k = 1 residual probe is one raw coordinate, which nobody would use: `difference_of_means` and `logistic_direction`
are one number a text as well, along the best direction that two plain methods find on the training texts.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from sparring.probing.contrasts import Contrast
from sparring.probing.probe import along, logistic_direction, mean_difference, on_columns, right, strongest
from sparring.stats.macro import Answers, macro_accuracy, macro_interval

Measured = dict[str, list[Answers]]


def measure(
    latents: Float[Tensor, "text latent"],
    rows: Float[Tensor, "text d"],
    contrasts: Sequence[Contrast],
    *,
    ks: Sequence[int],
) -> tuple[Measured, dict[str, list[int]]]:
    """({measure: the answers of each class}, {class: its latents for the largest k, strongest first})."""
    found: Measured = {}
    chosen: dict[str, list[int]] = {}
    for contrast in contrasts:
        for name, answers in _of_class(latents, rows, contrast, ks).items():
            found.setdefault(name, []).append(Answers(contrast.test.texts, answers))
        picked = strongest(latents[contrast.train.texts], contrast.train.positive, max(ks))
        chosen[contrast.label] = [int(latent) for latent in picked]
    return found, chosen


def summarise(measured: Measured, labels: Sequence[str], *, resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    """{measure: {"macro", "ci95" (texts resampled), "classes": {class: accuracy}}}."""
    return {
        name: {
            "macro": macro_accuracy(classes),
            "ci95": list(macro_interval(classes, resamples=resamples, seed=seed)),
            "classes": {label: float(one.right.mean()) for label, one in zip(labels, classes, strict=True)},
        }
        for name, classes in measured.items()
    }


def differences(measured: Measured, *, resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    """{"A - B": {"macro", "ci95" (texts resampled, the same for both)}}: each sae_* minus its fair baselines."""
    found: dict[str, dict[str, Any]] = {}
    for name in (name for name in measured if name.startswith("sae_")):
        beside = "residual_all" if name == "sae_all" else name.replace("sae", "residual")
        fair = (
            ("logistic_direction", "bag_of_words")
            if name == "sae_all"
            else ("difference_of_means", "logistic_direction")
        )
        for other in (one for one in (beside, *fair) if one in measured):
            a, b = measured[name], measured[other]
            interval = macro_interval(a, minus=b, resamples=resamples, seed=seed)
            found[f"{name} - {other}"] = {"macro": macro_accuracy(a) - macro_accuracy(b), "ci95": list(interval)}
    return found


def _of_class(
    latents: Float[Tensor, "text latent"], rows: Float[Tensor, "text d"], contrast: Contrast, ks: Sequence[int]
) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    train_labels, test_labels = contrast.train.positive, contrast.test.positive
    for name, figures in (("sae", latents), ("residual", rows)):
        train, test = figures[contrast.train.texts], figures[contrast.test.texts]
        for k in ks:
            columns = strongest(train, train_labels, k)
            found[f"{name}_top_{k}"] = on_columns(train, train_labels, test, test_labels, columns)
        found[f"{name}_all"] = right(train, train_labels, test, test_labels)
    train, test = rows[contrast.train.texts], rows[contrast.test.texts]
    for name, direction in (("difference_of_means", mean_difference), ("logistic_direction", logistic_direction)):
        found[name] = along(direction(train, train_labels), train, train_labels, test, test_labels)
    return found
