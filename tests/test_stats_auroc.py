"""AUROC of one latent: known answers, ties, unreadable answers, and its variance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from sparring.stats.auroc import auroc


def pairwise(labels, scores):
    """The definition: over all pairs, wins plus half the ties."""
    positives, negatives = scores[labels], scores[~labels]
    wins = (positives[:, None] > negatives).mean() + 0.5 * (positives[:, None] == negatives).mean()
    return wins


def delong_by_definition(labels, scores):
    positives, negatives = scores[labels], scores[~labels]
    kernel = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
    return kernel.mean(1).var(ddof=1) / len(positives) + kernel.mean(0).var(ddof=1) / len(negatives)


def test_known_answers():
    labels = np.array([True] * 5 + [False] * 7)
    assert auroc(labels, labels * 1.0).value == 1
    assert auroc(labels, labels * -1.0).value == 0
    assert auroc(labels, np.full(12, 0.3)).value == 0.5
    assert auroc([True, False, True, False], [0.8, 0.6, 0.4, 0.2]).value == 0.75
    assert auroc([True, False], [0.5, 0.5]).value == 0.5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=60))
def test_agrees_with_the_definition_and_with_sklearn_under_ties(rows):
    labels, scores = np.array([label for label, _ in rows]), np.array([float(score) for _, score in rows])
    found = auroc(labels, scores)
    if labels.all() or not labels.any():
        assert found.value is None
        return
    assert found.value == pytest.approx(pairwise(labels, scores), abs=1e-12)
    assert found.value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    if min(labels.sum(), (~labels).sum()) > 1:
        assert found.variance == pytest.approx(delong_by_definition(labels, scores), abs=1e-12)


def test_order_and_monotone_change_of_scores_change_nothing():
    rng = np.random.default_rng(0)
    labels, scores = rng.uniform(size=80) < 0.4, rng.normal(size=80).round(1)
    order = rng.permutation(80)
    assert auroc(labels, scores).value == pytest.approx(auroc(labels[order], scores[order]).value, abs=1e-12)
    assert auroc(labels, scores).value == auroc(labels, np.exp(scores)).value
    assert auroc(labels, scores).value == pytest.approx(1 - auroc(labels, -scores).value)


def test_unreadable_answers_are_left_out_and_counted():
    labels = np.array([True, True, False, False, True, False])
    scores = np.array([0.9, np.nan, 0.1, np.nan, 0.8, 0.2])
    found = auroc(labels, scores)
    assert (found.value, found.positives, found.negatives, found.unreadable) == (1.0, 2, 2, 2)


def test_without_both_labels_there_is_no_value():
    assert auroc([True, True], [0.1, 0.2]).value is None
    assert auroc([True, False], [0.1, np.nan]) == auroc([True, False], [0.7, np.nan])
    assert auroc([], []).value is None
    assert auroc([True, False, False], [1, 0, 0]).variance is None


def test_lengths_must_match():
    with pytest.raises(ValueError, match="vectors of one length"):
        auroc([True, False], [0.1])


def test_delong_variance_is_the_spread_of_repeated_samples():
    """On binormal scores, the mean estimated variance is the variance of the AUROC over repetitions."""
    rng = np.random.default_rng(1)
    labels = np.arange(40) < 20
    found = [auroc(labels, rng.normal(size=40) + labels) for _ in range(1500)]
    values, variances = np.array([f.value for f in found]), np.array([f.variance for f in found])
    assert variances.mean() == pytest.approx(values.var(), rel=0.12)
