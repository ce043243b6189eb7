"""Puts an explanation to a latent's examples: looks up the vectors of its windows, then compares."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from sparring.autointerp.embedded import EmbeddedWindows
from sparring.autointerp.examples import Examples, Protocol
from sparring.autointerp.plan import ScorePlan
from sparring.autointerp.scorers.embedder import Embedder
from sparring.autointerp.scorers.embedding import token_fit
from sparring.errors import SparringError

Fit = tuple[Float[np.ndarray, "positives window"], Float[np.ndarray, "negatives window"]]


class Judge:
    """Holds the vectors of the scorer pool's windows, and those of the contexts of one arm's explanations."""

    def __init__(
        self,
        protocol: Protocol,
        windows: EmbeddedWindows,
        embedder: Embedder,
        examples: Mapping[int, Examples],
        explanations: Mapping[str, Mapping[str, Mapping[str, Any]]],
        plan: ScorePlan,
    ) -> None:
        self._protocol, self._windows, self._examples = protocol, windows, examples
        self._explanations, self._plan = explanations, plan
        at = zip(windows.sequence.tolist(), windows.start.tolist(), strict=True)
        self._row = {place: row for row, place in enumerate(at)}
        self._embedder = embedder
        self._contexts = self._embed_contexts()

    def _embed_contexts(self) -> dict[tuple[str, int], Float[np.ndarray, "contexts width"]]:
        """The vector of each context's firing token, by kind of explanation and latent."""
        keys = [(kind, latent) for kind in ("real", "oracle") for latent in self._examples]
        listed = [self._explanations[kind][str(latent)]["contexts"] for kind, latent in keys]
        found = self._marked([context for contexts in listed for context in contexts])
        stops = np.cumsum([len(contexts) for contexts in listed])
        return {
            key: found[stop - len(contexts) : stop] for key, contexts, stop in zip(keys, listed, stops, strict=True)
        }

    def _marked(self, contexts: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, "contexts width"]:
        """The vector of each context's marked token."""
        texts = [context["left"] + context["token"] for context in contexts]
        bounds = [np.array([len(c["left"]), len(c["left"]) + len(c["token"])]) for c in contexts]
        found = [vectors[0] for vectors in self._embedder.embed(texts, bounds)]
        return np.array(found, dtype=np.float32).reshape(-1, self._windows.vectors.shape[2])

    def ask(self, explanation: Mapping[str, Any], texts: Sequence[str]) -> list[float]:
        """How well the best word of each text fits the explanation: detection, for texts from elsewhere."""
        contexts = self._marked(explanation["contexts"])
        words = [re.findall(r"\s*\S+", text) for text in texts]
        cuts = [np.cumsum([0, *map(len, said)]) for said in words]
        fits = [
            token_fit(
                explanation, contexts, [said], vectors[None], sharpness=self._plan.sharpness, weight=self._plan.weight
            )
            for said, vectors in zip(words, self._embedder.embed(texts, cuts), strict=True)
        ]
        return [float(fit.max()) for fit in fits]

    def fit(self, latent: int, kind: str, by: int) -> Fit:
        """How well each token of `latent`'s positive and negative windows fits latent `by`'s `kind` explanation."""
        examples = self._examples[latent]
        rows = self._rows(np.concatenate([examples.positive, examples.negative]))
        fit = token_fit(
            self._explanations[kind][str(by)],
            self._contexts[kind, by],
            [self._windows.words[row] for row in rows],
            self._windows.vectors[rows],
            sharpness=self._plan.sharpness,
            weight=self._plan.weight,
        )
        return fit[: len(examples.positive)], fit[len(examples.positive) :]

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
