"""Marks for fuzz: true firing positions, and false ones that neither positions, nor text, nor rarity give away.

A false example keeps the TEXT of a firing window and takes the mark PATTERN of another firing window of the same
latent, one that touches none of this window's firing positions. Both classes then hold the same texts and the same
patterns (but for the few that must be shifted), so neither alone carries the label: a scorer has to relate the marks to
the explanation. Silent windows are not used, as in them fuzz would be detection over again. Among the ways to deal the
patterns out, the one is taken whose marked tokens are as common as the truly marked ones: most latents fire on rarer
words, and without this any explanation, however wrong, scored 0.55 (docs/decisions/0004-instrument-tuning.md).
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

_OVERLAP = 1e6  # dearer than any difference in commonness


def false_marks(
    true: Bool[np.ndarray, "windows size"], commonness: Float[np.ndarray, "windows size"]
) -> tuple[Bool[np.ndarray, "windows size"], Int[np.ndarray, " windows"]]:
    """A false pattern for each window, and by how many positions it was shifted; no marks at all where none fits.

    The patterns are a permutation of the true ones: the assignment that overlaps least with the windows' own firings,
    then differs least in the mean `commonness` (log count) of the marked tokens. A pattern that still overlaps is moved
    by the least cyclic shift that clears it.
    """
    size = true.shape[1]
    own = (commonness * true).sum(axis=1) / true.sum(axis=1)
    under = (commonness @ true.T) / true.sum(axis=1)  # [window, pattern]
    overlap = true.astype(np.int64) @ true.T.astype(np.int64)
    row, donor = linear_sum_assignment(_OVERLAP * overlap + np.abs(under - own[:, None]))
    marks, shift = true[donor], np.zeros(len(true), dtype=np.int64)
    for clash in np.flatnonzero(overlap[row, donor] > 0):
        marks[clash] = False
        for step in sorted(range(-(size // 2), size // 2 + 1), key=abs):
            moved = np.roll(true[donor[clash]], step)
            if not (moved & true[clash]).any():
                marks[clash], shift[clash] = moved, abs(step)
                break
    return marks, shift


def mark_features(marks: Bool[np.ndarray, "examples size"]) -> Float[np.ndarray, "examples features"]:
    """What a rule that never reads the text can see: each position, the number of marks and runs, where they lie."""
    count = marks.sum(axis=1, keepdims=True)
    runs = (marks & ~np.pad(marks, ((0, 0), (1, 0)))[:, :-1]).sum(axis=1, keepdims=True)
    place = np.arange(marks.shape[1]) / marks.shape[1]
    centre = (marks * place).sum(axis=1, keepdims=True) / np.maximum(count, 1)
    last = (marks * place).max(axis=1, keepdims=True)
    return np.hstack([marks, count, runs, count / np.maximum(runs, 1), centre, last]).astype(np.float64)


def tell_auroc(
    marks: Bool[np.ndarray, "examples size"], label: Bool[np.ndarray, " examples"], group: Int[np.ndarray, " examples"]
) -> float | None:
    """Cross-validated AUROC of a logistic rule on mark positions alone: 0.5 is no tell, the gate is 0.55.

    Folds keep each `group` (a latent) whole; None with fewer than two groups or one class.
    """
    # Here, since most who draw marks ask for no tell, and sklearn takes seconds to import.
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict

    folds = min(5, len(np.unique(group)))
    if folds < 2 or len(np.unique(label)) < 2:
        return None
    rule = LogisticRegression(C=1.0, max_iter=1000)
    cut = GroupKFold(folds)
    score = cross_val_predict(rule, mark_features(marks), label, groups=group, cv=cut, method="predict_proba")
    return float(roc_auc_score(label, score[:, 1]))
