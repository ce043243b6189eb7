"""The bag-of-words baseline: could a probe that is trained to, tell these windows by the tokens they hold?

For each latent a logistic regression (C = 1) on which tokens a window holds, trained on windows of the explainer's
documents and asked about the very examples that explanations are judged on. Where it reaches what explanations reach,
a latent's score says that it follows the vocabulary; what a list of words could not say is elsewhere.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from sparring.autointerp.examples import Examples, Protocol
from sparring.autointerp.windows import fired_windows

_MOST = 200  # windows of each class it is trained on


def bag_of_words(protocol: Protocol, examples: Examples, latent: int) -> Float[np.ndarray, " examples"]:
    """Its score for each example, positives first; NaN throughout where the explainer's documents lack a class."""
    # Here, as sklearn takes a second to import.
    from sklearn.linear_model import LogisticRegression

    asked = np.concatenate([examples.positive, examples.negative])
    shown, hidden = _training(protocol, latent)
    if not (shown.size and hidden.size):
        return np.full(len(asked), np.nan)
    trained = np.concatenate([shown, hidden])
    known, held = np.unique(protocol.tokens(trained), return_inverse=True)
    probe = LogisticRegression(C=1.0, max_iter=1000, solver="liblinear", random_state=0)
    probe.fit(_bags(held.reshape(len(trained), -1), known.size), np.arange(len(trained)) < len(shown))
    ids = protocol.tokens(asked)
    column = np.searchsorted(known, ids)
    column[known[np.minimum(column, known.size - 1)] != ids] = known.size  # never seen: says nothing
    scores: Float[np.ndarray, " examples"] = probe.decision_function(_bags(column, known.size))
    return scores


def _training(protocol: Protocol, latent: int) -> tuple[Int[np.ndarray, " positives"], Int[np.ndarray, " negatives"]]:
    """Windows of the explainer's documents in which `latent` fires, and in which it does not; as many of each."""
    rng = np.random.default_rng([protocol.plan.seed, latent, 1])
    mine = ~protocol.in_scorer  # the pools share out all documents
    fired = fired_windows(protocol.cache, protocol.windows, latent).window
    shown = fired[mine[fired]]
    hidden = np.setdiff1d(np.flatnonzero(mine), shown)
    size = min(_MOST, len(shown), len(hidden))
    return np.sort(rng.choice(shown, size, replace=False)), np.sort(rng.choice(hidden, size, replace=False))


def _bags(column: Int[np.ndarray, "windows window"], size: int) -> csr_array:
    """[windows, size]: 1 where the window holds the token of the column; a column of `size` is none."""
    row = np.repeat(np.arange(len(column), dtype=np.int32), column.shape[1])
    bags = csr_array((np.ones(row.size), (row, column.ravel().astype(np.int32))), shape=(len(column), size + 1))
    bags.sum_duplicates()
    bags.data[:] = 1.0
    return bags[:, :size]
