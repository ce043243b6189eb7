"""Class margins of the same texts under several conditions, resampled together, and how much of one another has.

A margin m is the mean of the class's texts minus the mean of the others'. With m(whole), m(empty) and m(part),

    share = (m(part) - m(empty)) / (m(whole) - m(empty))

which is the faithfulness of Marks et al. (2024). Texts are resampled within the class and within the others, the same
ones for every condition, and each resample has its own share.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from sparring.stats.bootstrap import Interval, percentile_interval

Logits = Float[np.ndarray, " text"]


class Margin(NamedTuple):
    """An estimate, and the same of each resample."""

    estimate: float
    drawn: Float[np.ndarray, " resample"]

    def minus(self, other: "Margin") -> "Margin":
        """The difference, resample by resample."""
        return Margin(self.estimate - other.estimate, self.drawn - other.drawn)

    def over(self, other: "Margin") -> "Margin":
        """The ratio, resample by resample."""
        return Margin(self.estimate / other.estimate, self.drawn / other.drawn)

    @staticmethod
    def average(some: Sequence["Margin"], rng: np.random.Generator) -> "Margin":
        """The mean of several, which are themselves a sample: each resample draws among them with replacement."""
        counts = rng.multinomial(len(some), np.full(len(some), 1 / len(some)), size=len(some[0].drawn))
        drawn = np.stack([one.drawn for one in some], axis=1)
        return Margin(float(np.mean([one.estimate for one in some])), (counts * drawn).sum(axis=1) / len(some))

    def interval(self, level: float = 0.95) -> Interval:
        """Percentile interval."""
        return percentile_interval(self.drawn, level)


def margins(
    logits: Mapping[str, Logits], positive: Bool[np.ndarray, " text"], *, resamples: int, seed: int
) -> dict[str, Margin]:
    """The margin of each condition. ValueError where one side has no text."""
    both = sides(logits, positive, resamples=resamples, seed=seed)
    return {name: mine.minus(others) for name, (mine, others) in both.items()}


def sides(
    logits: Mapping[str, Logits], positive: Bool[np.ndarray, " text"], *, resamples: int, seed: int
) -> dict[str, tuple[Margin, Margin]]:
    """The mean of the class's texts and that of the others', whose difference is the margin, of each condition.

    ValueError where one side has no text.
    """
    if positive.all() or not positive.any():
        raise ValueError("a margin needs texts of the class and others")
    values = np.stack([one.astype(np.float64) for one in logits.values()])
    rng = np.random.default_rng(seed)
    both = [_means(values[:, side], resamples, rng) for side in (positive, ~positive)]
    return dict(zip(logits, zip(*both, strict=True), strict=True))


def _means(values: Float[np.ndarray, "condition some"], resamples: int, rng: np.random.Generator) -> list[Margin]:
    """The mean over texts of each condition."""
    n = values.shape[1]
    # Of n texts drawn with replacement, how often each was drawn.
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=resamples) @ values.T / n
    return [Margin(float(one.mean()), drawn[:, row]) for row, one in enumerate(values)]


def share(part: Margin, empty: Margin, whole: Margin) -> Margin:
    """(m(part) - m(empty)) / (m(whole) - m(empty)); sensible only where the divisor is told from 0."""
    return part.minus(empty).over(whole.minus(empty))


def figure(one: Margin | None, n: int) -> dict[str, Any]:
    """{"value", "ci95", "n"}, n texts; value and interval are None where there is no margin."""
    return {"value": one and one.estimate, "ci95": one and list(one.interval()), "n": n}
