"""Whether a text is of a class: classifiers on a sentence-embedding model, which has no part in the subject model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from sparring.autointerp.scorers.embedder import Embedder
from sparring.probing.contrasts import Contrast
from sparring.stats.bootstrap import bootstrap_mean

_CHARACTERS = 160  # of a text: about as long as what is generated

Answers = Bool[np.ndarray, " text"]


class Judges:
    """For each class a logistic regression (C = 1) on mean token vectors of texts' beginnings.

    Fitted on the task's TEST texts: the training texts chose the directions. Those tell how good it is.
    """

    def __init__(
        self, scorer: Path, texts: Sequence[str], contrasts: Sequence[Contrast], *, layer: int, batch: int
    ) -> None:
        from sklearn.linear_model import LogisticRegression  # takes a second to import

        self._embedder = Embedder(scorer, layer=layer, batch=batch)
        vectors = self._vectors(texts)
        self._fitted: dict[str, Any] = {}
        self._right: dict[str, Answers] = {}
        for one in contrasts:
            fit = LogisticRegression(C=1.0, max_iter=1000).fit(vectors[one.test.texts], one.test.positive)
            self._fitted[one.label] = fit
            self._right[one.label] = fit.predict(vectors[one.train.texts]) == one.train.positive

    def holds(self, texts: Sequence[str]) -> Mapping[str, Answers]:
        """For each class, whether each text is of it."""
        vectors = self._vectors(texts)
        return {label: fit.predict(vectors) for label, fit in self._fitted.items()}

    def accuracy(self, label: str, *, resamples: int, seed: int) -> dict[str, Any]:
        """{"accuracy", "ci95", "n"} on the training texts, half of them of the class: chance is 0.5."""
        right = self._right[label].astype(np.float64)
        found = bootstrap_mean(right, resamples=resamples, seed=seed)
        return {"accuracy": found.estimate, "ci95": list(found.ci), "n": len(right)}

    def _vectors(self, texts: Sequence[str]) -> Float[np.ndarray, "text width"]:
        short = [text[:_CHARACTERS] or " " for text in texts]
        whole = [np.array([0, len(text)]) for text in short]
        return np.concatenate(self._embedder.embed(short, whole))
