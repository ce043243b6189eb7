"""Puts an explanation to a latent's examples: embeds every text once, then compares."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float

from sparring.autointerp.examples import Examples, Protocol
from sparring.autointerp.scorers.embedding import EmbeddingScorer
from sparring.autointerp.text import TokenText

Fit = tuple[Float[np.ndarray, "positives window"], Float[np.ndarray, "negatives window"]]


class Judge:
    """Holds the vectors of one arm's windows, [windows, window, width] float32 (some 240 MB at 5,000), and contexts."""

    def __init__(
        self,
        protocol: Protocol,
        text: TokenText,
        scorer: EmbeddingScorer,
        examples: Mapping[int, Examples],
        explanations: Mapping[str, Mapping[str, Mapping[str, Any]]],
    ) -> None:
        self._scorer, self._examples, self._explanations = scorer, examples, explanations
        windows = np.unique(np.concatenate([np.concatenate([e.positive, e.negative]) for e in examples.values()]))
        shown = [text.window(ids) for ids in protocol.tokens(windows)]
        self._row = {int(window): row for row, window in enumerate(windows)}
        self._words = [[whole[a:b] for a, b in pairwise(cut)] for whole, cut in shown]
        self._vectors = np.stack(scorer.embed([whole for whole, _ in shown], [cut for _, cut in shown]))
        self._contexts = self._embed_contexts()

    def _embed_contexts(self) -> dict[tuple[str, int], Float[np.ndarray, "contexts width"]]:
        """The vector of each context's firing token, by kind of explanation and latent."""
        keys = [(kind, latent) for kind in ("real", "oracle") for latent in self._examples]
        listed = [self._explanations[kind][str(latent)]["contexts"] for kind, latent in keys]
        texts = [context["left"] + context["token"] for contexts in listed for context in contexts]
        bounds = [np.array([len(c["left"]), len(c["left"]) + len(c["token"])]) for contexts in listed for c in contexts]
        width = self._vectors.shape[2]
        found = [vectors[0] for vectors in self._scorer.embed(texts, bounds)]
        stops = np.cumsum([len(contexts) for contexts in listed])
        return {
            key: np.array(found[stop - len(contexts) : stop], dtype=np.float32).reshape(-1, width)
            for key, contexts, stop in zip(keys, listed, stops, strict=True)
        }

    def fit(self, latent: int, kind: str, by: int) -> Fit:
        """How well each token of `latent`'s positive and negative windows fits latent `by`'s `kind` explanation."""
        examples = self._examples[latent]
        rows = [self._row[int(window)] for window in np.concatenate([examples.positive, examples.negative])]
        fit = self._scorer.score(
            self._explanations[kind][str(by)],
            self._contexts[kind, by],
            [self._words[row] for row in rows],
            self._vectors[rows],
        )
        return fit[: len(examples.positive)], fit[len(examples.positive) :]
