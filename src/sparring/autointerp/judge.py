"""The embedding scorer: looks up the vectors of each example's window, and compares them with the explanation."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from sparring.autointerp.asked import EMPTY, Asked, Explanation
from sparring.autointerp.embedded import EmbeddedWindows
from sparring.autointerp.examples import Protocol
from sparring.autointerp.plan import ScorePlan
from sparring.autointerp.scorers.embedder import Embedder
from sparring.autointerp.scorers.embedding import NAME, token_fit
from sparring.errors import SparringError
from sparring.progress import progress

Contexts = Float[np.ndarray, "contexts width"]


class Judge:
    """Holds the vectors of the scorer pool's windows; see autointerp/asked.py for what a scorer does."""

    tolerance = 1e-3  # the last bits depend on the number of cores

    def __init__(self, protocol: Protocol, windows: EmbeddedWindows, embedder: Embedder, plan: ScorePlan) -> None:
        self._protocol, self._windows, self._embedder, self._plan = protocol, windows, embedder, plan
        at = zip(windows.sequence.tolist(), windows.start.tolist(), strict=True)
        self._row = {place: row for row, place in enumerate(at)}
        self.meta: Mapping[str, Any] = {
            "name": NAME,
            **embedder.meta,
            "sharpness": plan.sharpness,
            "weight": plan.weight,
        }

    def score(self, asked: Sequence[Asked], *, desc: str) -> list[Float[np.ndarray, " examples"]]:
        """The best token's fit in detection; the marked tokens' mean fit in fuzz."""
        contexts = self._contexts([one.explanation for one in asked])
        found = []
        with progress(len(asked), desc=desc, unit="explanation") as bar:
            for one in asked:
                rows = self._rows(one.window)
                said = [self._windows.words[row] for row in rows]
                fit = self._fit(one.explanation, contexts[id(one.explanation)], said, self._windows.vectors[rows])
                if one.metric == "detection":
                    found.append(fit.max(axis=1))
                else:
                    found.append((fit * one.marks).sum(axis=1) / one.marks.sum(axis=1))
                bar.update(1)
        return found

    def ask(self, questions: Sequence[tuple[Explanation, Sequence[str]]]) -> list[list[float]]:
        """The fit of each text's best word."""
        contexts = self._contexts([explanation for explanation, _ in questions])
        words = [[re.findall(r"\s*\S+", text) for text in texts] for _, texts in questions]
        cuts = [np.cumsum([0, *map(len, said)]) for texts in words for said in texts]
        vectors = iter(self._embedder.embed([text for _, texts in questions for text in texts], cuts))
        return [
            [
                float(self._fit(explanation, contexts[id(explanation)], [said], next(vectors)[None]).max())
                for said in texts
            ]
            for (explanation, _), texts in zip(questions, words, strict=True)
        ]

    def _fit(
        self,
        explanation: Explanation,
        contexts: Contexts,
        words: Sequence[Sequence[str]],
        vectors: Float[np.ndarray, "texts tokens width"],
    ) -> Float[np.ndarray, "texts tokens"]:
        plan = self._plan
        if explanation is EMPTY:  # fits each text alike
            return np.zeros((len(words), vectors.shape[1]))
        return token_fit(explanation, contexts, words, vectors, sharpness=plan.sharpness, weight=plan.weight)

    def _contexts(self, explanations: Sequence[Explanation]) -> dict[int, Contexts]:
        """The vectors of the contexts' firing tokens, by the explanation's id."""
        each = {id(explanation): explanation["contexts"] for explanation in explanations}
        listed = [context for contexts in each.values() for context in contexts]
        texts = [context["left"] + context["token"] for context in listed]
        bounds = [np.array([len(c["left"]), len(c["left"]) + len(c["token"])]) for c in listed]
        found = np.array([vectors[0] for vectors in self._embedder.embed(texts, bounds)], dtype=np.float32)
        stops = np.cumsum([len(contexts) for contexts in each.values()])
        width = self._windows.vectors.shape[2]
        return {
            name: found[stop - len(contexts) : stop].reshape(-1, width)
            for (name, contexts), stop in zip(each.items(), stops, strict=True)
        }

    def _rows(self, window: Int[np.ndarray, " n"]) -> list[int]:
        cut = self._protocol.windows
        sequence = self._protocol.cache.sequence[cut.sequence[window]]
        places = list(zip(sequence.tolist(), cut.start[window].tolist(), strict=True))
        if lost := [place for place in places if place not in self._row]:
            raise SparringError(
                f"the window at position {lost[0][1]} of sequence {lost[0][0]} was not embedded: "
                "embed the windows of this draw's scorer pool"
            )
        return [self._row[place] for place in places]
