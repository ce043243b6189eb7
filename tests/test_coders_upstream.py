"""What sparsify does that the library steps around: a test that breaks here says that a step can go."""

import inspect
from typing import get_args, get_type_hints

import pytest
import torch
from coders_data import SAE, TRANSCODER, WRITE, D, random_coder, tiny_activations, tiny_recipe

from sparring.coders.recipe import Optimizer
from sparring.coders.replay import ReplayModel, RowOrder, SiteRows
from sparring.coders.training import trainer_config
from sparring.coders.upstream import SparseCoder, TrainConfig, Trainer


@pytest.fixture
def rows():
    return torch.randn(256, D, generator=torch.Generator().manual_seed(1))


def test_the_optimizers_of_a_recipe_are_upstreams():
    assert set(get_args(Optimizer)) == set(get_args(get_type_hints(TrainConfig)["optimizer"]))


def test_signum_leaves_another_coder_in_memory_than_on_disk(tmp_path):
    site = SiteRows(tiny_activations(tmp_path), "train", WRITE)
    recipe = tiny_recipe(optimizer="signum")
    config = trainer_config(SAE, recipe, d=D, save_dir=tmp_path)
    order = RowOrder(len(site), batch_rows=recipe.batch_rows, steps=recipe.steps, seed=0)
    trainer = Trainer(config, order, ReplayModel(site, site, torch.device("cpu")))
    trainer.fit()
    saved = SparseCoder.load_from_disk(tmp_path / "run" / ReplayModel.HOOKPOINT)
    assert not torch.allclose(saved.W_dec, trainer.saes[ReplayModel.HOOKPOINT].W_dec)


def test_topk_picks_latents_at_value_zero(rows):
    coder = random_coder(SAE, k=64)
    made = coder(rows)
    assert (made.latent_acts == 0).any()
    assert made.latent_indices.unique().numel() == 64


def test_the_auxiliary_loss_gives_the_encoder_no_gradient(rows):
    coder = random_coder(SAE).requires_grad_(True)
    dead = torch.zeros(64, dtype=torch.bool)
    dead[:32] = True
    made = coder(rows, dead_mask=dead)
    made.auxk_loss.backward()
    assert made.auxk_loss > 0 and not coder.encoder.weight.grad.any()


def test_decode_leaves_the_skip_out(rows):
    coder = random_coder(SAE)
    skip = random_coder(TRANSCODER)
    for made, whole in ((coder, True), (skip, False)):
        values, indices, _ = made.encode(rows)
        assert torch.equal(made.decode(values, indices), made(rows).sae_out) == whole


def test_forward_is_wrapped_in_autocast_and_the_function_below_gives_the_same_on_a_cpu(rows):
    below = inspect.unwrap(SparseCoder.forward)
    assert below is not SparseCoder.forward
    coder = random_coder(SAE)
    assert torch.equal(below(coder, rows).sae_out, coder(rows).sae_out)
