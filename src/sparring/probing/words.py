"""The bag-of-words baseline: what a probe makes of the tokens that a text holds, without the model."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array

from sparring.probing.contrasts import Contrast


def bags_of(tokens: Int[np.ndarray, " row"], text: Int[np.ndarray, " row"]) -> csr_array:
    """[text, token]: 1 where the text holds the token among those that count."""
    known, column = np.unique(tokens, return_inverse=True)
    shape = (int(text[-1]) + 1, len(known))
    bags = csr_array(
        (np.ones(len(tokens), dtype=np.float64), (text.astype(np.int32), column.astype(np.int32))), shape=shape
    )
    bags.sum_duplicates()
    bags.data[:] = 1.0
    return bags


def words_right(bags: csr_array, contrast: Contrast) -> Bool[np.ndarray, " text"]:
    """Whether a logistic regression (C = 1) on the bags is right about each test text of `contrast`."""
    from sklearn.linear_model import LogisticRegression  # takes a second to import

    probe = LogisticRegression(C=1.0, max_iter=1000, solver="liblinear", random_state=0)
    probe.fit(_some(bags, contrast.train.texts), contrast.train.positive)
    found: Float[np.ndarray, " text"] = probe.predict(_some(bags, contrast.test.texts))
    return found == contrast.test.positive


def _some(bags: csr_array, texts: Int[np.ndarray, " some"]) -> csr_array:
    found = bags[texts.astype(np.int32)]
    # scikit-learn takes indices of 32 bits alone, and scipy widens them when it picks rows.
    return csr_array((found.data, found.indices.astype(np.int32), found.indptr.astype(np.int32)), shape=found.shape)
