"""Whether a text is of a class: a classifier on a sentence-embedding model, which has no part in the subject model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from sparring.autointerp.scorers.embedder import Embedder

_CHARACTERS = 160  # of a training text: about as long as what is generated


class Judge:
    """Logistic regression (C = 1) on mean token vectors of the training texts' beginnings, classes weighted alike."""

    def __init__(
        self, scorer: Path, texts: Sequence[str], positive: Bool[np.ndarray, " text"], *, layer: int, batch: int
    ) -> None:
        from sklearn.linear_model import LogisticRegression  # takes a second to import

        self._embedder = Embedder(scorer, layer=layer, batch=batch)
        fit = LogisticRegression(C=1.0, max_iter=1000, class_weight="balanced")
        self._fitted = fit.fit(self._vectors(texts), positive)

    def holds(self, texts: Sequence[str]) -> Bool[np.ndarray, " text"]:
        """Whether each text is of the class."""
        found: Bool[np.ndarray, " text"] = self._fitted.predict(self._vectors(texts))
        return found

    def _vectors(self, texts: Sequence[str]) -> Float[np.ndarray, "text width"]:
        short = [text[:_CHARACTERS] or " " for text in texts]
        whole = [np.array([0, len(text)]) for text in short]
        return np.concatenate(self._embedder.embed(short, whole))
