"""What a scorer is asked, one explanation put to one latent's examples under one metric; and what a scorer is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from sparring.autointerp.examples import Examples

Explanation = Mapping[str, Any]
EMPTY: Explanation = {"text": "", "tokens": [], "contexts": []}  # the control: nothing is explained


@dataclass(frozen=True, eq=False)
class Asked:
    """The examples as `metric` shows them, the `positives` first, and the explanation they are held against.

    Detection asks whether the explanation applies to the text: firing windows against silent ones, no marks. Fuzz asks
    whether the marked tokens are the ones: firing windows, each with its true marks and with false ones.
    """

    metric: str
    explanation: Explanation
    window: Int[np.ndarray, " examples"]
    peak: Float[np.ndarray, " examples"]
    marks: Bool[np.ndarray, "examples marked"]
    positives: int

    @classmethod
    def of(cls, metric: str, examples: Examples, explanation: Explanation) -> "Asked":
        """`examples` under `metric`."""
        positive, peak = examples.positive, examples.peak
        if metric == "detection":
            window = np.concatenate([positive, examples.negative])
            peaks = np.concatenate([peak, np.zeros(len(examples.negative))])
            marks = np.zeros((len(window), 0), dtype=bool)
        else:
            placed = examples.placed
            window = np.concatenate([positive, positive[placed]])
            peaks = np.concatenate([peak, peak[placed]])
            marks = np.vstack([examples.true, examples.false[placed]])
        return cls(metric, explanation, window, peaks, marks, len(positive))


@runtime_checkable
class Scorer(Protocol):
    """Says how well explanations fit; a new one is one file.

    `meta` names it, its weights and its settings; two answers to one question may differ by `tolerance`, no more.
    """

    @property
    def meta(self) -> Mapping[str, Any]: ...

    @property
    def tolerance(self) -> float: ...

    def score(self, asked: Sequence[Asked], *, desc: str) -> list[Float[np.ndarray, " examples"]]:
        """For each asked, a score for each example: higher fits better; NaN where the answer could not be read."""
        ...

    def ask(self, questions: Sequence[tuple[Explanation, Sequence[str]]]) -> list[list[float]]:
        """Detection on plain texts: for each (explanation, texts), a score for each text."""
        ...
