"""Steering: generation against its slow twin, planted directions, the choice of a factor, what is called degenerate."""

import numpy as np
import pytest
import torch
from tiny import tiny_model

from sparring.errors import SparringError
from sparring.probing.contrasts import Contrast, Examples
from sparring.steering.directions import directions
from sparring.steering.generate import generate, perplexity
from sparring.steering.halves import Tried, chosen, compared, degenerate, figures
from sparring.steering.plan import SteeringPlan

PLAN = SteeringPlan(task="t", label="a", arm="sae", samples=8, resamples=200)
PROMPT = torch.tensor([1, 40, 50, 60])


def lively(family: str = "llama"):
    """A tiny model whose next tokens depend on the text."""
    model = tiny_model(family)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter *= 10
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "gemma2"])
def test_the_cache_gives_what_reading_all_again_gives(family: str) -> None:
    model = lively(family)
    shift = torch.randn(model.config.hidden_size, generator=torch.Generator().manual_seed(0)) * 3
    common = {"site": "layers.1.mlp.out", "samples": 6, "tokens": 12, "temperature": 1.0, "seed": 3}
    for along in (None, shift):
        fast = generate(model, PROMPT, shift=along, **common)
        assert torch.equal(fast, generate(model, PROMPT, shift=along, **common, cached=False))
        assert fast.shape == (6, 12)
    plain = generate(model, PROMPT, shift=None, **common)
    assert not torch.equal(plain, generate(model, PROMPT, shift=shift, **common))
    assert torch.equal(plain, generate(model, PROMPT, shift=0 * shift, **common))


def test_a_direction_that_writes_one_token_writes_it() -> None:
    """Along a token's unembedding, at the last block, that token comes."""
    model = lively()
    last = model.config.num_hidden_layers - 1
    token = 77
    along = model.lm_head.weight[token] / model.model.norm.weight
    along = 50 * along / along.norm()
    common = {"site": f"layers.{last}.resid_post", "samples": 8, "tokens": 8, "temperature": 0.05, "seed": 0}
    assert (generate(model, PROMPT, shift=along, **common) == token).float().mean() > 0.9
    assert (generate(model, PROMPT, shift=None, **common) == token).float().mean() < 0.5


def test_perplexity_is_the_loss_of_what_was_made() -> None:
    model = lively()
    made = generate(model, PROMPT, site="layers.1.mlp.out", shift=None, samples=3, tokens=5, temperature=1.0, seed=0)
    found = perplexity(model, PROMPT, made)
    for row, value in zip(made, found, strict=True):
        ids = torch.cat([PROMPT, row])[None]
        labels = ids.clone()
        labels[:, : len(PROMPT)] = -100
        assert float(value.log()) == pytest.approx(float(model(input_ids=ids, labels=labels).loss), rel=1e-5)


def contrast(texts: int = 40) -> Contrast:
    positive = np.arange(texts) % 2 == 0
    examples = Examples(np.arange(texts), positive)
    return Contrast("a", examples, examples)


def test_the_planted_latent_and_the_means_give_the_directions() -> None:
    rng = torch.Generator().manual_seed(0)
    latents, rows = torch.rand(40, 10, generator=rng), torch.randn(40, 6, generator=rng)
    decoder = torch.randn(10, 6, generator=rng)
    mask = torch.from_numpy(contrast().train.positive)
    latents[mask, 4] += 5
    latents[mask, 8] -= 9  # lower in the class: a strong latent, but not one to steer towards it
    rows[mask, 2] += 50
    found = directions(latents, rows, decoder, contrast(), seed=0)
    assert found["latent"].latent == 4
    assert torch.allclose(found["latent"].vector, decoder[4] / decoder[4].norm())
    assert float(found["difference_of_means"].vector[2]) > 0.99
    assert all(float(one.vector.norm()) == pytest.approx(1, abs=1e-5) for one in found.values())


def test_no_direction_is_an_error() -> None:
    with pytest.raises(SparringError, match="no latent is higher in class 'a'"):
        directions(torch.zeros(40, 10), torch.randn(40, 6), torch.randn(10, 6), contrast(), seed=0)
    latents = torch.zeros(40, 10)
    latents[::2, 3] = 1
    with pytest.raises(SparringError, match="latent direction has length 0"):
        directions(latents, torch.randn(40, 6), torch.zeros(10, 6), contrast(), seed=0)


def tried(first: float, second: float, log_ppl: float = 1.0, samples: int = 8) -> Tried:
    """Success of a share of the even samples and of the odd ones."""
    success = np.zeros(samples, dtype=bool)
    success[0::2][: round(first * samples / 2)] = True
    success[1::2][: round(second * samples / 2)] = True
    return Tried(success, np.full(samples, log_ppl))


def test_the_factor_is_chosen_on_the_other_half() -> None:
    grid = {"1": tried(0.25, 1.0), "2": tried(0.75, 0.0), "4": tried(1.0, 1.0, log_ppl=9.0)}
    assert chosen(grid, cap=2.0) == "2"
    held = grid["2"].half(1)
    assert figures(held, PLAN)["success"] == 0.0
    assert chosen({"4": grid["4"]}, cap=2.0) is None
    assert chosen({"1": tried(0.5, 0), "2": tried(0.5, 1)}, cap=2.0) == "1"


def test_differences_are_paired() -> None:
    a = tried(1.0, 1.0)
    assert compared(a, a, PLAN) == {"value": 0.0, "ci95": [0.0, 0.0], "n": 8}
    assert compared(a, tried(0.0, 0.0), PLAN)["value"] == 1.0


def test_what_is_degenerate() -> None:
    fine = {"latent": "1"}
    assert degenerate(tried(0.5, 0.5), fine) == []
    assert "a ceiling" in degenerate(tried(1.0, 1.0), fine)[0]
    assert "a floor" in degenerate(tried(0.0, 0.0), fine)[0]
    assert degenerate(tried(0.5, 0.5), {"latent": None}) == ["Every factor of latent breaks the fluency cap."]


@pytest.mark.parametrize(("changes", "said"), [({"factors": [0.0]}, "positive"), ({"samples": 3}, "even")])
def test_plan_that_makes_no_sense(changes: dict, said: str) -> None:
    with pytest.raises(SparringError, match=said):
        SteeringPlan(**{"task": "t", "label": "a", "arm": "sae", **changes})
