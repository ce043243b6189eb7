"""Two levels, documents, McNemar, the family and the power table, against theory and against slow twins."""

import numpy as np
import pytest
import scipy.stats

from sparring.stats.auroc import auroc
from sparring.stats.bootstrap import bootstrap_diff_of_means
from sparring.stats.documents import Examples, bootstrap_documents
from sparring.stats.family import benjamini_hochberg
from sparring.stats.levels import auroc_replicates, bootstrap_two_levels, mean_replicates
from sparring.stats.mcnemar import mcnemar
from sparring.stats.power import latents_needed, minimum_detectable_effect


def latent(rng, *, n=12, documents=8, shift=1.0):
    labels = np.arange(2 * n) < n
    return Examples(labels, rng.normal(size=2 * n) + shift * labels, rng.integers(0, documents, 2 * n))


def test_replicates_of_a_mean_spread_as_its_standard_error():
    values = np.random.default_rng(0).normal(size=50)
    found = mean_replicates(values, replicates=4000, rng=np.random.default_rng(1))
    assert found.mean() == pytest.approx(values.mean(), abs=0.01)
    assert found.std() == pytest.approx(values.std() / np.sqrt(50), rel=0.05)


def test_replicates_of_an_auroc_are_those_of_resampling_by_hand():
    rng = np.random.default_rng(2)
    labels, scores, _ = latent(rng)
    found = auroc_replicates(labels, scores, replicates=4000, rng=rng)
    by_hand = []
    for _ in range(2000):
        rows = np.concatenate([rng.choice(np.flatnonzero(of), of.sum()) for of in (labels, ~labels)])
        by_hand.append(auroc(labels[rows], scores[rows]).value)
    assert found.mean() == pytest.approx(np.mean(by_hand), abs=0.006)
    assert found.std() == pytest.approx(np.std(by_hand), rel=0.06)
    perfect = auroc_replicates(labels, labels * 1.0, replicates=10, rng=rng)
    assert (perfect == 1).all()
    with pytest.raises(ValueError, match="both classes, got 3 positives and 0 negatives"):
        auroc_replicates([True] * 3, [0.1, 0.2, 0.3], replicates=5, rng=rng)


def test_without_a_second_level_two_levels_are_one():
    a, b = np.random.default_rng(3).normal(size=(2, 60))
    two = bootstrap_two_levels(a[:, None], b[:, None], estimate=b.mean() - a.mean())
    one = bootstrap_diff_of_means(a, b)
    assert two.estimate == one.estimate
    np.testing.assert_allclose(two.ci, one.ci, atol=0.02)


def test_the_variances_of_both_levels_add():
    rng = np.random.default_rng(4)
    units, within, n = rng.normal(0, 0.1, 50), 0.6, 30
    values = [u + rng.normal(0, within, n) for u in units]
    rows = np.stack([mean_replicates(v, replicates=500, rng=rng) for v in values])
    found = bootstrap_two_levels(rows * 0, rows, estimate=float(np.mean(values)))
    means = np.array([v.mean() for v in values])
    noise = np.mean([v.var() / n for v in values])
    assert found.distribution.std() == pytest.approx(np.sqrt((means.var() + noise) / 50), rel=0.05)


def test_seeds_of_a_coder_are_a_level_above_its_latents():
    # Three seeds whose means differ far more than their latents do: the interval is that of three numbers.
    rng = np.random.default_rng(5)
    seeds = np.stack([mean_replicates(rng.normal(m, 0.01, 100), replicates=300, rng=rng) for m in (0.5, 0.6, 0.7)])
    found = bootstrap_two_levels(np.zeros((1, 1)), seeds, estimate=0.6)
    assert found.distribution.std() == pytest.approx(np.std([0.5, 0.6, 0.7]) / np.sqrt(3), rel=0.05)


def slow_document_differences(a, b, resamples, seed):
    """Every example repeated as often as its document was drawn."""
    names = np.unique(np.concatenate([latent.documents for latent in (*a, *b)]))
    rng, differences = np.random.default_rng(seed), []
    for times in rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples):
        means = []
        for arm in (a, b):
            found = []
            for labels, scores, documents in arm:
                count = times[np.searchsorted(names, documents)]
                found.append(auroc(np.repeat(labels, count), np.repeat(scores, count)).value)
            means.append(np.mean([value for value in found if value is not None]))
        differences.append(means[1] - means[0])
    return np.array(differences)


def test_documents_drawn_twice_count_twice():
    rng = np.random.default_rng(6)
    a, b = [latent(rng) for _ in range(3)], [latent(rng, shift=2.0, n=3) for _ in range(4)]
    found = bootstrap_documents(a, b, resamples=200)
    np.testing.assert_allclose(found.distribution, slow_document_differences(a, b, 200, 0), atol=1e-6)
    by_hand = [np.mean([auroc(one.labels, one.scores).value for one in arm]) for arm in (a, b)]
    assert found.estimate == pytest.approx(by_hand[1] - by_hand[0])


def test_latents_that_share_their_texts_have_a_wider_interval_over_documents():
    rng = np.random.default_rng(7)
    labels, documents = np.arange(40) < 20, np.repeat(np.arange(8), 5)[rng.permutation(40)]
    hard = rng.normal(size=8)[documents]  # a text that is hard for every latent

    def arm(shift):
        return [Examples(labels, hard + rng.normal(0, 0.3, 40) + shift * labels, documents) for _ in range(50)]

    a, b = arm(0.0), arm(1.0)
    over = bootstrap_documents(a, b, resamples=1000)
    values = [[auroc(one.labels, one.scores).value for one in side] for side in (a, b)]
    assert over.distribution.std() > 2 * bootstrap_diff_of_means(*values, resamples=1000).distribution.std()


def test_mcnemar_by_hand():
    first = np.array([1, 1, 1, 1, 1, 1, 0, 1, 0, 1], dtype=bool)
    second = np.array([1, 0, 0, 0, 0, 0, 1, 1, 0, 1], dtype=bool)
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (5, 1)
    assert found.p == pytest.approx(2 * (1 + 6) / 2**6)  # both tails of a fair coin thrown six times
    assert mcnemar(first, first).p == 1
    assert mcnemar(second, first).p == found.p
    with pytest.raises(ValueError, match="one length"):
        mcnemar([True], [True, False])


def test_benjamini_hochberg_by_hand():
    q = benjamini_hochberg({"one": 0.01, "two": 0.04, "three": 0.03, "four": 0.9})
    assert q == pytest.approx({"one": 0.04, "two": 0.16 / 3, "three": 0.16 / 3, "four": 0.9})
    assert benjamini_hochberg({}) == {}


def test_the_power_table_is_the_detectable_effect_turned_round():
    for effect in (0.02, 0.03, 0.05):
        needed = latents_needed(effect, 0.061, 0.101)
        found = minimum_detectable_effect(0.061, needed, 0.101, needed)
        assert found == pytest.approx(effect, rel=0.03)
    assert latents_needed(10.0, 0.1, 0.1) == 2
    assert latents_needed(0.05, 0.0, 0.0) == 2
    with pytest.raises(ValueError, match="above 0"):
        latents_needed(0.0, 0.1, 0.1)


def test_the_power_table_has_the_power_it_says():
    rng = np.random.default_rng(8)
    for effect in (0.1, 0.3):  # of 50 latents an arm, and of 7
        n = latents_needed(effect, 0.15, 0.2)
        a, b = rng.normal(0, 0.15, (4000, n)), rng.normal(effect, 0.2, (4000, n))
        p = scipy.stats.ttest_ind(a, b, axis=1, equal_var=False).pvalue
        assert np.mean(p < 0.05) == pytest.approx(0.8, abs=0.03)
