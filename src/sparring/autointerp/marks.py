"""Marks for fuzz: true firing positions, and false ones that no rule reading positions alone can tell apart.

A false example keeps the TEXT of a firing window and takes the mark PATTERN of another firing window of the same
latent, one that touches none of this window's firing positions. Both classes then hold the same texts and (up to the few
patterns that had to be shifted) the same patterns, so that neither text nor pattern alone carries the label: a scorer must
relate the marks to the explanation. Silent windows are not used: in them fuzz would be detection over again.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict

Marks = Bool[np.ndarray, "examples window"]


def false_marks(true: Marks) -> tuple[Marks, Int[np.ndarray, " examples"]]:
    """A false pattern for each window, and by how many positions it was shifted (`window` where none fits).

    Patterns are first dealt out as a permutation that avoids overlap wherever possible (a linear assignment, overlaps
    as cost); a pattern that still overlaps is moved by the least cyclic shift that clears the window's own firings.
    """
    overlap = true.astype(np.int64) @ true.T.astype(np.int64)
    _, donor = linear_sum_assignment(overlap)
    marks, shift = true[donor], np.zeros(len(true), dtype=np.int64)
    size = true.shape[1]
    for row in np.flatnonzero(overlap[np.arange(len(true)), donor] > 0):
        shift[row] = size
        for step in sorted(range(-size // 2, size // 2 + 1), key=abs):
            moved = np.roll(true[donor[row]], step)
            if not (moved & true[row]).any():
                marks[row], shift[row] = moved, abs(step)
                break
    return marks, shift


def mark_features(marks: Marks) -> Float[np.ndarray, "examples features"]:
    """What a rule that never reads the text can see: each position, the number of marks, of runs, and where they lie."""
    count = marks.sum(axis=1, keepdims=True)
    runs = (marks & ~np.pad(marks, ((0, 0), (1, 0)))[:, :-1]).sum(axis=1, keepdims=True)
    place = np.arange(marks.shape[1]) / marks.shape[1]
    centre = (marks * place).sum(axis=1, keepdims=True) / np.maximum(count, 1)
    last = (marks * place).max(axis=1, keepdims=True)
    return np.hstack([marks, count, runs, count / np.maximum(runs, 1), centre, last]).astype(np.float64)


def tell_auroc(marks: Marks, label: Bool[np.ndarray, " examples"], group: Int[np.ndarray, " examples"]) -> float:
    """Cross-validated AUROC of a logistic rule on the mark positions alone; 0.5 is no tell, the gate is 0.55.

    Folds keep each `group` (a latent) whole; NaN with fewer than two groups or a single class.
    """
    folds = min(5, len(np.unique(group)))
    if folds < 2 or len(np.unique(label)) < 2:
        return float("nan")
    rule = LogisticRegression(C=1.0, max_iter=1000)
    score = cross_val_predict(
        rule, mark_features(marks), label, groups=group, cv=GroupKFold(folds), method="predict_proba"
    )[:, 1]
    return float(roc_auc_score(label, score))
