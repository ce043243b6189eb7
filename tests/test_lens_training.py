"""sae_lens's training classes from the cache: raw rows after folding, the recipe's numbers, the same bytes again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from coders_data import SAE, WRITE, tiny_activations, tiny_recipe

from sparring.activation_cache import ActivationCache
from sparring.canonical import sha256_file
from sparring.coders import lens_training
from sparring.coders.coder import Coder
from sparring.coders.encoding import Encoder
from sparring.coders.lens_canonical import fold_scale
from sparring.coders.lens_plan import LensPlan, check_plan, threshold_lr, widths_of
from sparring.coders.lens_training import as_inference, fit, new_sae, train_lens_coder
from sparring.coders.measured import measured_scaling
from sparring.coders.replay import RowOrder, SiteRows
from sparring.errors import SparringError

ARCHITECTURES = ("jumprelu", "batchtopk", "matryoshka")
RECIPE = tiny_recipe(tokens=65_536)


@pytest.fixture(scope="module")
def activations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_activations(tmp_path_factory.mktemp("activations"), train=4096)


def trained(activations: Path, out: Path, architecture: Any, plan: LensPlan | None = None, **recipe: Any) -> Any:
    out.mkdir(parents=True, exist_ok=True)
    plan = plan or LensPlan()
    chosen = replace(RECIPE, **recipe)
    return train_lens_coder(activations, arm=SAE, recipe=chosen, architecture=architecture, plan=plan, out=out)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_trains_saves_and_loads_and_keeps_about_k(architecture: str, activations: Path, tmp_path: Path) -> None:
    meta = trained(activations, tmp_path / "a", architecture)
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {"cfg.json", "sae_weights.safetensors", "format.json", "arm.json", "scaling.json", "training.json"}
    assert meta["training"]["steps"] == 256 and meta["training"]["rows"] == 65_536
    coder = Coder.load(tmp_path / "a")
    with ActivationCache(activations) as cache:
        rows = cache.read("evaluation", WRITE)
    made = coder.reconstruct(rows)
    explained = 1 - (rows - made.x_hat).square().sum() / (rows - rows.mean(0)).square().sum()
    assert explained > 0.6
    assert 2 < float((made.values > 0).sum(1).float().mean()) < 8  # k is 4
    torch.testing.assert_close(Encoder.load(tmp_path / "a").dense(rows), coder.dense(rows), rtol=1e-4, atol=1e-5)
    trained(activations, tmp_path / "again", architecture)
    assert all(sha256_file(tmp_path / "a" / name) == sha256_file(tmp_path / "again" / name) for name in names)
    trained(activations, tmp_path / "seed", architecture, seed=1)
    assert sha256_file(tmp_path / "a" / "sae_weights.safetensors") != sha256_file(
        tmp_path / "seed" / "sae_weights.safetensors"
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_folded_it_does_on_raw_rows_what_sae_lens_does_on_scaled_ones(
    architecture: Any, activations: Path, tmp_path: Path
) -> None:
    """Bit for bit, since the scale is a power of two; the threshold is in units of latents and stays as it is."""
    plan, scale = LensPlan(), measured_scaling(activations, SAE, RECIPE).output_scale
    assert scale == 0.5
    scaled_rows = SiteRows(activations, "train", WRITE, scale=scale)
    order = RowOrder(len(scaled_rows), batch_rows=RECIPE.batch_rows, steps=RECIPE.steps, seed=0)
    batches = (scaled_rows[order[step]["input_ids"].numpy()] for step in range(len(order)))
    made, _ = fit(new_sae(SAE, RECIPE, architecture, plan, d=scaled_rows.d), batches, RECIPE, plan, desc="t")
    theirs = as_inference(made, tmp_path / "scaled")
    trained(activations, tmp_path / "ours", architecture)
    ours = Coder.load(tmp_path / "ours")
    with ActivationCache(activations) as cache:
        rows = cache.read("evaluation", WRITE)
    assert torch.equal(ours.dense(rows), theirs.encode(rows / scale))
    assert torch.equal(ours.forward(rows), theirs(rows / scale) * scale)
    assert torch.equal(ours.sae.threshold, theirs.threshold)
    if architecture != "jumprelu":  # in training they keep k a row on average over a batch, then a threshold
        assert float(theirs.threshold[0]) == pytest.approx(float(made.topk_threshold), rel=1e-6)
        assert theirs.threshold.unique().numel() == 1


def test_the_threshold_folded_with_the_rest_is_another_coder(activations: Path, tmp_path: Path) -> None:
    trained(activations, tmp_path, "jumprelu")
    right = Coder.load(tmp_path)
    with ActivationCache(activations) as cache:
        rows = cache.read("evaluation", WRITE)
    expected = right.dense(rows)
    right.sae.threshold.data.mul_(measured_scaling(activations, SAE, RECIPE).output_scale)
    assert not torch.equal(right.dense(rows), expected)


def test_chance_outside_is_left_as_it_was(activations: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    trained(activations, tmp_path, "matryoshka", tokens=1024)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_short_training_has_a_threshold_that_has_arrived() -> None:
    """sae_lens's running mean starts at 0 and is not corrected: after 64 steps at 0.01 it is at 47% of its way."""
    short = replace(RECIPE, tokens=16_384)
    rate = threshold_lr(LensPlan(), short)
    assert short.steps == 64 and (1 - rate) ** short.steps == pytest.approx(1e-4)
    assert threshold_lr(LensPlan(), replace(RECIPE, tokens=10_000_000)) == 0.01
    assert threshold_lr(LensPlan(threshold_lr=0.5), RECIPE) == 0.5


def test_without_that_a_coder_keeps_too_many(activations: Path, tmp_path: Path) -> None:
    l0 = []
    for name, plan in (("ours", LensPlan()), ("theirs", LensPlan(threshold_lr=0.01))):
        trained(activations, tmp_path / name, "batchtopk", plan, tokens=16_384)
        with ActivationCache(activations) as cache:
            values, _ = Coder.load(tmp_path / name).encode(cache.read("evaluation", WRITE))
        l0.append(float((values > 0).sum(1).float().mean()))
    assert l0[1] > 1.3 * l0[0]


def test_a_scale_on_a_transcoder_is_refused_rather_than_folded_wrongly() -> None:
    from lens_data import lens_sae

    with pytest.raises(SparringError, match="cannot be folded by sae_lens"):
        fold_scale(lens_sae("skip_transcoder"), 2.0)


def test_a_loss_that_is_no_number_stops(activations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lens_training, "_fvu", lambda rows, made: float("nan"))
    with pytest.raises(SparringError, match="the training loss is nan at step 0; lower lr"):
        trained(activations, tmp_path, "batchtopk")


@pytest.mark.parametrize(
    ("kind", "architecture", "plan", "recipe", "says"),
    [
        (
            "transcoder",
            "jumprelu",
            None,
            {},
            "coders.a.architecture: 'jumprelu' with kind 'transcoder': sae_lens has no tr",
        ),
        ("sae", "topk", LensPlan(), {}, "coders.a.sae_lens: a topk coder is trained by sparsify"),
        (
            "sae",
            "batchtopk",
            LensPlan(l0_coefficient=2.0),
            {},
            "a.sae_lens.l0_coefficient: means nothing for batchtopk",
        ),
        ("sae", "jumprelu", LensPlan(widths=[2, 64]), {}, "a.sae_lens.widths: means nothing for jumprelu"),
        (
            "sae",
            "matryoshka",
            LensPlan(widths=[8, 4, 64]),
            {},
            r"\[8, 4, 64\] must rise, from 1 or more to recipe.width",
        ),
        ("sae", "matryoshka", LensPlan(widths=[8, 32]), {}, r"\[8, 32\] must rise"),
        ("sae", "batchtopk", None, {"optimizer": "signum"}, "'batchtopk' is trained with Adam"),
    ],
)
def test_contradictions_are_one_line(kind: Any, architecture: Any, plan: Any, recipe: Any, says: str) -> None:
    with pytest.raises(SparringError, match=says) as caught:
        check_plan("a", kind, architecture, plan, replace(RECIPE, **recipe))
    assert "\n" not in str(caught.value)


def test_default_widths() -> None:
    assert widths_of(LensPlan(), RECIPE) == [8, 16, 32, 64]
    assert widths_of(LensPlan(), replace(RECIPE, width=3, k=1)) == [1, 3]
