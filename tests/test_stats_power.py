"""Detectable effect, reliability and pairs by firing rate; and no torch under any of them."""

import pkgutil
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from scipy.special import ndtri

import sparring.stats
from sparring.stats.auroc import auroc
from sparring.stats.matched import matched_pairs
from sparring.stats.power import minimum_detectable_effect
from sparring.stats.reliability import reliability


def test_published_scorers_had_the_detectable_effects_that_methods_md_gives():
    assert minimum_detectable_effect(0.061, 58, 0.061, 61) == pytest.approx(0.031, abs=5e-4)
    assert minimum_detectable_effect(0.101, 58, 0.101, 60) == pytest.approx(0.052, abs=5e-4)


def test_detectable_effect_is_found_in_four_of_five_simulated_experiments():
    rng = np.random.default_rng(0)
    effect = minimum_detectable_effect(0.06, 60, 0.10, 50)
    a, b = rng.normal(0, 0.06, (4000, 60)), rng.normal(effect, 0.10, (4000, 50))
    p = scipy.stats.ttest_ind(a, b, axis=1, equal_var=False).pvalue
    assert np.mean(p < 0.05) == pytest.approx(0.8, abs=0.025)


def test_detectable_effect_falls_with_the_root_of_n_and_is_0_without_spread():
    assert minimum_detectable_effect(0.1, 400, 0.1, 400) == pytest.approx(
        minimum_detectable_effect(0.1, 100, 0.1, 100) / 2
    )
    assert minimum_detectable_effect(0.0, 10, 0.0, 10) == 0
    with pytest.raises(ValueError, match="two latents an arm"):
        minimum_detectable_effect(0.1, 1, 0.1, 60)


def test_reliability_by_hand():
    values, noise = np.array([0.4, 0.6]), np.array([0.01, 0.01])  # variance across latents 0.02
    assert reliability([values], [noise]) == pytest.approx(0.5)
    assert reliability([values], [noise * 0]) == 1
    assert reliability([values], [noise * 5]) == 0  # clipped: more noise than spread
    assert reliability([np.full(9, 0.5)], [np.zeros(9)]) == 0  # a scorer that says the same of every latent
    assert reliability([values, np.empty(0)], [noise, np.empty(0)]) == pytest.approx(0.5)  # an arm without latents
    assert reliability([np.array([0.5])], [np.array([0.01])]) is None
    assert reliability([np.empty(0)], [np.empty(0)]) is None


def test_a_difference_between_the_arms_is_not_reliability():
    rng = np.random.default_rng(1)
    sampling = np.full(50, 0.01)
    near, far = rng.normal(0.3, 0.1, 50), rng.normal(0.9, 0.1, 50)
    assert reliability([near, far], [sampling, sampling]) < 0.3
    assert reliability([np.concatenate([near, far])], [np.concatenate([sampling] * 2)]) > 0.8


def test_reliability_is_the_squared_correlation_with_the_truth():
    rng = np.random.default_rng(2)
    truth = np.clip(rng.normal(0.7, 0.1, 800), 0.05, 0.95)
    labels = np.arange(40) < 20
    areas = [auroc(labels, rng.normal(size=40) + labels * np.sqrt(2) * ndtri(t)) for t in truth]
    values, variances = np.array([a.value for a in areas]), np.array([a.variance for a in areas])
    assert reliability([values], [variances]) == pytest.approx(np.corrcoef(truth, values)[0, 1] ** 2, abs=0.05)


def test_pairs_by_rate():
    i, j = matched_pairs([0.001, 0.01, 0.1], [0.1, 0.0011, 0.5])
    assert list(zip(i, j, strict=True)) == [(0, 1), (2, 0)]
    i, j = matched_pairs([0.01, 0.012], [0.0119])  # one partner: the nearer of the two takes it
    assert list(zip(i, j, strict=True)) == [(1, 0)]
    assert matched_pairs([0.001], [0.1])[0].size == 0


def test_as_many_pairs_as_the_caliper_allows():
    # Greedy nearest-first would pair 1.0 with 1.1 and leave two alone.
    i, _ = matched_pairs([1.0, 1.2], [0.9, 1.1], caliper=0.15)
    assert i.size == 2
    with pytest.raises(ValueError, match="must be positive"):
        matched_pairs([0.0], [0.1])


def test_statistics_import_no_torch():
    modules = [f"sparring.stats.{module.name}" for module in pkgutil.iter_modules(sparring.stats.__path__)]
    modules += ["sparring.headtohead", "sparring.verdict", "sparring.page", "sparring.summary", "sparring.figure"]
    code = f"import sys, {', '.join(modules)}; print(*sorted(m for m in sys.modules if m.split('.')[0] == 'torch'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
