"""A mean over classes of each class's accuracy, with an interval over texts.

A text is an example of its own class and may be one among the others of another class: texts are resampled, and every
example counts as often as its text was drawn, in all classes alike.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparring.stats.bootstrap import Interval, blocks, percentile_interval

_EXACT = 1e-12  # sums of the same shares in another order differ by less


class Answers(NamedTuple):
    """One class: the text of each example, and whether it was answered right."""

    texts: NDArray[np.int64]
    right: NDArray[np.bool_]


def macro_accuracy(classes: Sequence[Answers]) -> float:
    """Mean over classes of the share of right answers."""
    return float(np.mean([answers.right.mean() for answers in classes]))


def macro_interval(
    classes: Sequence[Answers],
    *,
    minus: Sequence[Answers] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of the macro accuracy, or of its difference to that of `minus` on the same examples."""
    names, column = np.unique(np.concatenate([answers.texts for answers in classes]), return_inverse=True)
    ends = np.cumsum([len(answers.texts) for answers in classes])[:-1]
    columns = np.split(column, ends)
    gains = [answers.right.astype(np.float64) for answers in classes]
    if minus is not None:
        gains = [gain - answers.right for gain, answers in zip(gains, minus, strict=True)]
    rng = np.random.default_rng(seed)
    distribution = np.empty(resamples)
    for start, stop in blocks(resamples, names.size):
        times = rng.multinomial(names.size, np.full(names.size, 1 / names.size), size=stop - start)
        with np.errstate(invalid="ignore"):  # of few texts, a resample may leave a class without any
            each = [times[:, at] @ gain / times[:, at].sum(axis=1) for at, gain in zip(columns, gains, strict=True)]
        distribution[start:stop] = np.mean(each, axis=0)
    return percentile_interval(distribution[np.isfinite(distribution)], level)


def macro_flips(
    classes: Sequence[Answers], others: Sequence[Answers], *, resamples: int = 10_000, seed: int = 0
) -> float:
    """Two-sided p of no difference of the macro accuracies: all answers of a text change sides together, at random.

    With one class it is McNemar's test, drawn instead of counted. At least 1 / (resamples + 1), 1 where they agree.
    """
    names, column = np.unique(np.concatenate([answers.texts for answers in classes]), return_inverse=True)
    gains = np.concatenate(
        [(one.right * 1.0 - other.right) / len(one.right) for one, other in zip(classes, others, strict=True)]
    )
    each = np.bincount(column, weights=gains, minlength=names.size)
    each = each[np.abs(each) > _EXACT]
    if not each.size:
        return 1.0
    rng = np.random.default_rng(seed)
    found = np.empty(resamples)
    for start, stop in blocks(resamples, each.size):
        found[start:stop] = rng.choice([-1.0, 1.0], (stop - start, each.size)) @ each
    return float((1 + (np.abs(found) >= abs(each.sum()) - _EXACT).sum()) / (resamples + 1))
