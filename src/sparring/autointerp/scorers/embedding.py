"""A small sentence-embedding model as a scorer: how well does each token of a text fit an explanation?

The model reads a window once, and its hidden states at a middle layer give every token a vector in its context; the
marked tokens of an explanation's contexts get vectors the same way (scorers/embedder.py). Token t of a text then scores

    s(t) = share of t in the token list + weight * sum_j w_j exp(sharpness * (cos(h_t, c_j) - 1)) / sum_j w_j

over the contexts j, w_j = 0.2 + the share of context j's token. Only the explanation and the text are read. Late
interaction after ColBERT (Khattab and Zaharia, 2020); whole-text embeddings, tried first, could hardly tell anything
(docs/decisions/0004-instrument-tuning.md).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

NAME = "embedding of tokens in context, with the token list"


def token_fit(
    explanation: Mapping[str, Any],
    contexts: Float[np.ndarray, "contexts width"],
    words: Sequence[Sequence[str]],
    vectors: Float[np.ndarray, "texts tokens width"],
    *,
    sharpness: float,
    weight: float,
) -> Float[np.ndarray, "texts tokens"]:
    """s(t) for each token of each text; NaN throughout for an explanation that says nothing.

    `words` are the texts' tokens as strings, `vectors` theirs and `contexts` the explanation's, from an Embedder.
    """
    shares = dict(explanation["tokens"])
    fit = np.array([[shares.get(word, 0.0) for word in text] for text in words])
    if not shares and len(contexts) == 0:
        return np.full(fit.shape, np.nan)
    if len(contexts):
        share = 0.2 + np.array([context["share"] for context in explanation["contexts"]])
        near = np.exp(sharpness * (vectors @ contexts.T - 1.0))
        fit = fit + weight * (near @ (share / share.sum()))
    return fit
