"""Reconstruction figures: analytic values, a slow twin of the interval, and gates that fail on planted faults."""

import json

import numpy as np
import pytest
import torch
from coders_data import ARMS, READ, SAE, TRANSCODER, WRITE, random_coder, save_coder, tiny_activations

from sparring import recon
from sparring.activation_cache import ActivationCache
from sparring.affine import AffineFit
from sparring.errors import SparringError
from sparring.recon import reconstruction
from sparring.recon_metrics import ReconSums


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tiny_activations(tmp_path_factory.mktemp("activations"))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def figures(y, y_hat, documents=None, *, blocks=1):
    sums = ReconSums(np.zeros(len(y), int) if documents is None else documents, y.shape[1])
    for target, prediction in zip(np.array_split(y, blocks), np.array_split(y_hat, blocks), strict=True):
        sums.add(target, prediction)
    return sums.figures(seed=0, resamples=500)


def test_predict_the_mean_gives_0_and_identity_gives_1(rng):
    y = rng.standard_normal((300, 5)) * 3 + 100
    assert figures(y, np.broadcast_to(y.mean(0), y.shape))["ve"] == pytest.approx(0, abs=1e-12)
    same = figures(y, y)
    assert same["ve"] == 1 and same["mse"] == 0
    assert same["cosine"] == pytest.approx(1) and same["relative_bias"] == pytest.approx(1)


def test_the_residual_is_not_recentred(rng):
    """A constant error costs its square: VE = 1 - N c^2 / sum ||y - mu||^2."""
    y = rng.standard_normal((200, 4))
    got = figures(y, y + 0.5)
    assert got["mse"] == pytest.approx(4 * 0.25)
    assert got["ve"] == pytest.approx(1 - 200 * 4 * 0.25 / np.square(y - y.mean(0)).sum())


def test_cosine_and_relative_bias_by_hand():
    y, y_hat = np.array([[3.0, 0.0], [0.0, 2.0]]), np.array([[1.0, 0.0], [2.0, 2.0]])
    got = figures(y, y_hat)
    assert got["cosine"] == pytest.approx((1 + 4 / (2 * 8**0.5)) / 2)
    assert got["relative_bias"] == pytest.approx((1 + 8) / (3 + 4))
    assert got["ve"] == pytest.approx(1 - (4 + 4) / (2 * 1.5**2 + 2 * 1.0))


def test_permutation_and_block_sizes_change_nothing(rng):
    y = (rng.standard_normal((257, 6)) + 50).astype(np.float32)
    y_hat = y + rng.standard_normal(y.shape).astype(np.float32)
    documents = rng.integers(0, 9, len(y))
    order = rng.permutation(len(y))
    base = figures(y, y_hat, documents)
    for other in (figures(y[order], y_hat[order], documents[order]), figures(y, y_hat, documents, blocks=7)):
        assert other.keys() == base.keys()
        for name, value in base.items():
            assert other[name] == pytest.approx(value, rel=1e-9), name


def test_a_large_mean_costs_no_digits(rng):
    y = rng.standard_normal((400, 3))
    y_hat = y + 0.1 * rng.standard_normal(y.shape)
    assert figures(y + 1e6, y_hat + 1e6)["ve"] == pytest.approx(figures(y, y_hat)["ve"], rel=1e-6)


def test_the_interval_is_that_of_resampling_documents_one_by_one(rng):
    documents = np.repeat(np.arange(12), rng.integers(3, 30, 12))
    y = rng.standard_normal((len(documents), 4)) + rng.standard_normal((12, 4))[documents]
    y_hat = y + rng.standard_normal(y.shape) * rng.uniform(0.1, 1, 12)[documents, None]
    sums = ReconSums(documents, 4)
    sums.add(y, y_hat)
    low, high = sums.interval(seed=3, resamples=400)
    slow = []
    for counts in np.random.default_rng(3).multinomial(12, np.full(12, 1 / 12), size=400):
        rows = np.concatenate([np.flatnonzero(documents == d) for d in range(12) for _ in range(counts[d])])
        slow.append(1 - np.square(y - y_hat)[rows].sum() / np.square(y[rows] - y[rows].mean(0)).sum())
    assert [low, high] == pytest.approx(np.percentile(slow, [2.5, 97.5]).tolist())
    assert low < figures(y, y_hat, documents)["ve"] < high
    assert sums.interval(seed=3, resamples=400) == [low, high] != sums.interval(seed=4, resamples=400)


def test_a_target_that_does_not_vary_is_refused():
    with pytest.raises(SparringError, match="does not vary"):
        figures(np.ones((10, 3)), np.zeros((10, 3)))


def test_the_affine_fit_finds_an_affine_map_and_is_least_squares_otherwise(rng):
    x = torch.from_numpy(rng.standard_normal((500, 6)) * 40 + 1000)
    y = x @ torch.from_numpy(rng.standard_normal((6, 4))) - 7
    noisy = y + torch.from_numpy(rng.standard_normal((500, 4))) * 20
    for target, tolerance in ((y, 1e-2), (noisy, 1e-2)):
        fit = AffineFit()
        for a, b in zip(x.split(77), target.split(77), strict=True):
            fit.add(a, b)
        ones = torch.cat([x, torch.ones(500, 1, dtype=x.dtype)], dim=1)
        wanted = ones @ torch.linalg.lstsq(ones, target).solution
        torch.testing.assert_close(fit.solve()(x), wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_the_job_agrees_with_a_plain_computation(arm, cache, tmp_path):
    coder = random_coder(arm)
    coder.W_dec.mul_(0.01)
    save_coder(coder, arm, tmp_path)
    got = reconstruction(cache, tmp_path, split="evaluation", seed=0)
    rows = ActivationCache(cache)
    x, y = (rows.read("evaluation", site).clone() for site in (arm.read_site, arm.write_site))
    made = coder(x, y)
    assert got["fvu"] == pytest.approx(float(made.fvu), rel=1e-4)
    assert got["ve"] == 1 - got["fvu"]
    wanted, x_hat = y.double().numpy(), made.sae_out.detach().double().numpy()
    unexplained = np.square(wanted - x_hat).sum() / np.square(wanted - wanted.mean(axis=0)).sum()
    assert got["ve"] == pytest.approx(1 - unexplained, abs=1e-5)
    assert got["l0"] == pytest.approx(float((made.latent_acts > 0).sum(1).double().mean()))
    fired = made.latent_indices[made.latent_acts > 0].unique()
    assert got["dead_fraction"] == pytest.approx(1 - len(fired) / 64)
    assert (got["rows"], got["documents"]) == (len(y), len(np.unique(rows.index("evaluation")["document"])))
    assert got["ve_ci95"][0] < got["ve"] < got["ve_ci95"][1]
    assert (got["affine_floor"] is None) == (arm is SAE)
    json.dumps(got, allow_nan=False)


def test_picked_but_zero_latents_are_not_active(cache, tmp_path):
    coder = random_coder(SAE, k=64)
    coder.encoder.bias[:40] = -1e4
    save_coder(coder, SAE, tmp_path)
    got = reconstruction(cache, tmp_path, split="evaluation", seed=0)
    assert got["l0"] <= 24 and got["dead_fraction"] >= 40 / 64


def test_the_affine_floor_is_that_of_the_affine_map_alone(cache, tmp_path):
    """A transcoder whose latents are silent and whose skip is the fitted map scores its floor."""
    rows = ActivationCache(cache)
    fit = AffineFit()
    fit.add(rows.read("train", READ), rows.read("train", WRITE))
    affine = fit.solve()
    coder = random_coder(TRANSCODER)
    coder.encoder.bias.fill_(-1e6)
    coder.W_skip.copy_(affine.matrix.T)
    coder.b_dec.copy_(affine.shift)
    save_coder(coder, TRANSCODER, tmp_path)
    got = reconstruction(cache, tmp_path, split="evaluation", seed=0)
    assert got["l0"] == 0 and got["dead_fraction"] == 1
    assert 0 < got["affine_floor"] < 1
    assert got["ve"] == pytest.approx(got["affine_floor"], abs=1e-4)


def test_the_self_test_stops_the_job_on_a_planted_fault(cache, tmp_path, monkeypatch):
    save_coder(random_coder(SAE), SAE, tmp_path)
    monkeypatch.setattr(recon, "_mean", lambda cache, split, site: np.zeros(cache.d(site)))
    with pytest.raises(SparringError, match="self-test"):
        reconstruction(cache, tmp_path, split="evaluation", seed=0)
