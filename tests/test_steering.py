"""Steering: generation against its slow twin, planted directions, the choice of a factor, what is called degenerate."""

from typing import Any

import numpy as np
import pytest
import torch
from tiny import tiny_model

from sparring.errors import SparringError
from sparring.probing.contrasts import Contrast, Examples
from sparring.steering import generate as generating
from sparring.steering.concept import concept
from sparring.steering.directions import directions
from sparring.steering.generate import Prompt, generate, log_perplexity
from sparring.steering.halves import Tried, chosen, compared, figures
from sparring.steering.headline import BOTH, CLASSES, CODERS, SAMPLES, doubts, headline, resampled
from sparring.steering.plan import SteeringPlan
from sparring.steering.residual import unit_of

PLAN = SteeringPlan(task="t", arms=["sae"], samples=8, resamples=200)
PROMPT = Prompt(torch.tensor([1, 40, 50, 60]), (0, 1, 2))
SITE = "layers.1.mlp.out"
SURE = {"accuracy": 0.9, "ci95": [0.8, 1.0], "n": 40}


def lively(family: str = "llama") -> Any:
    """A tiny model whose next tokens depend on the text."""
    model = tiny_model(family)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter *= 10
    return model.eval().requires_grad_(False)


def shifts(model: Any, number: int) -> torch.Tensor:
    return 3 * torch.randn(number, model.config.hidden_size, generator=torch.Generator().manual_seed(0))


def written(model: Any, along: torch.Tensor, prompt: Prompt = PROMPT, **changes: Any) -> torch.Tensor:
    common = {"site": SITE, "samples": 6, "tokens": 12, "temperature": 1.0, "seed": (3, 1)}
    return generate(model, prompt, shifts=along, **{**common, **changes})


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "gemma2"])
def test_the_cache_gives_what_reading_all_again_gives(family: str) -> None:
    model = lively(family)
    along = torch.cat([torch.zeros(1, model.config.hidden_size), shifts(model, 3)])
    fast = written(model, along)
    assert torch.equal(fast, written(model, along, cached=False))
    assert fast.shape == (4, 6, 12)
    assert not torch.equal(fast[0], fast[1])


def test_a_direction_alone_gives_what_it_gives_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    model = lively()
    along = shifts(model, 5)
    many = written(model, along)
    alone = torch.cat([written(model, one[None]) for one in along])
    assert torch.equal(many, alone)
    monkeypatch.setattr(generating, "_ROWS", 12)
    assert torch.equal(many, written(model, along))


def test_samples_of_two_directions_share_their_random_numbers() -> None:
    model = lively()
    plain = torch.zeros(1, model.config.hidden_size)
    assert torch.equal(written(model, plain), written(model, plain))
    faint = written(model, plain + 1e-6)
    assert (faint == written(model, plain)).float().mean() > 0.95
    assert not torch.equal(written(model, plain), written(model, plain, seed=(3, 0)))


def test_samples_are_drawn_from_the_model() -> None:
    """Shares of the first new token against its probabilities, specials taken out."""
    model = lively()
    drawn = written(model, torch.zeros(1, 16), samples=4000, tokens=1, temperature=1.5)[0, :, 0]
    logits = model(input_ids=PROMPT.ids[None]).logits[0, -1] / 1.5
    logits[list(PROMPT.specials)] = -torch.inf
    share = torch.bincount(drawn, minlength=len(logits)) / 4000
    assert (share - logits.softmax(-1)).abs().max() < 0.03
    assert not torch.isin(drawn, torch.tensor(PROMPT.specials)).any()


def test_specials_and_position_0_are_not_steered() -> None:
    assert PROMPT.steered.tolist() == [False, True, True, True]
    assert Prompt(torch.tensor([7, 2, 9]), (0, 1, 2)).steered.tolist() == [False, False, True]
    model = lively()
    alone = Prompt(torch.tensor([40]), (0, 1, 2))  # nothing but position 0: the first new token cannot know
    along = torch.cat([torch.zeros(1, 16), 100 * shifts(model, 1)])
    plain, steered = written(model, along, alone)
    assert torch.equal(plain[:, 0], steered[:, 0])
    assert not torch.equal(plain[:, 1:], steered[:, 1:])


def test_a_direction_that_writes_one_token_writes_it() -> None:
    """Along a token's unembedding, at the last block, that token comes; along a random direction it does not."""
    model = lively()
    last = model.config.num_hidden_layers - 1
    token = 77
    along = model.lm_head.weight[token] / model.model.norm.weight
    both = torch.stack([along / along.norm(), shifts(model, 1)[0] / shifts(model, 1)[0].norm()]) * 50
    made = written(model, both, site=f"layers.{last}.resid_post", temperature=0.05)
    assert (made[0] == token).float().mean() > 0.9
    assert (made[1] == token).float().mean() < 0.5


def test_perplexity_is_the_loss_of_what_was_made() -> None:
    model = lively()
    made = written(model, shifts(model, 4), tokens=5)
    found = log_perplexity(model, PROMPT, made)
    assert found.shape == (4, 6)
    for row, value in zip(made.flatten(0, 1), found.flatten(), strict=True):
        ids = torch.cat([PROMPT.ids, row])[None]
        labels = ids.clone()
        labels[:, : len(PROMPT.ids)] = -100
        assert float(value) == pytest.approx(float(model(input_ids=ids, labels=labels).loss), rel=1e-5)


def test_the_unit_is_the_rms_without_massive_activations() -> None:
    norms = torch.tensor([3.0, 4.0, 5.0] * 20, dtype=torch.float64)
    assert unit_of(norms) == {
        "unit": pytest.approx((50 / 3) ** 0.5),
        "rms_with_massive": pytest.approx((50 / 3) ** 0.5),
        "massive": 0.0,
    }
    found = unit_of(torch.cat([norms, torch.tensor([1000.0], dtype=torch.float64)]))
    assert found["unit"] == pytest.approx((50 / 3) ** 0.5)
    assert found["rms_with_massive"] > 100
    assert found["massive"] == pytest.approx(1 / 61)


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
    plain = tried(0.25, 0.25)
    assert chosen(grid, plain, cap=2.0) == "2"
    assert figures(grid["2"].half(1), plain.half(1), PLAN)["success"] == 0.0
    assert chosen({"4": grid["4"]}, plain, cap=2.0) is None
    assert chosen({"1": tried(0.5, 0), "2": tried(0.5, 1)}, plain, cap=2.0) == "1"


def test_halves_never_mix() -> None:
    """Whatever is in the reported half, the same factors are chosen, and the other way round."""
    rng = np.random.default_rng(0)

    def drawn() -> dict[str, Tried]:
        return {f"{factor}": Tried(rng.random(16) < 0.5, rng.normal(size=16)) for factor in (1, 2, 3)}

    def spliced(even: Tried, odd: Tried) -> Tried:
        mask = np.arange(16) % 2 == 0
        return Tried(np.where(mask, even.success, odd.success), np.where(mask, even.log_ppl, odd.log_ppl))

    plain, grid, other = tried(0.5, 0.5, samples=16), drawn(), drawn()
    mixed = {factor: spliced(grid[factor], other[factor]) for factor in grid}
    assert chosen(mixed, plain, cap=1.5) == chosen(grid, plain, cap=1.5) is not None
    best = concept(plain, {"latent": mixed}, SURE, PLAN)["best"]["latent"]
    odd = other[f"{best['factor']:g}"].half(1)
    assert best["success"] == odd.success.mean()
    assert best["ppl"] == pytest.approx(np.exp(odd.log_ppl.mean()))


def test_differences_are_paired() -> None:
    a = tried(1.0, 1.0)
    assert compared(a, a, PLAN) == {"value": 0.0, "ci95": [0.0, 0.0], "n": 8}
    assert compared(a, tried(0.0, 0.0), PLAN)["value"] == 1.0


@pytest.mark.parametrize(
    ("baseline", "way", "judge", "said"),
    [
        (tried(0.5, 0.5), tried(0.75, 0.75), SURE, None),
        (tried(0.0, 0.0), tried(0.75, 0.75), SURE, None),  # steered off the floor
        (tried(1.0, 1.0), tried(1.0, 1.0), SURE, "a ceiling"),
        (tried(0.0, 0.0), tried(0.0, 1.0), SURE, "a floor"),  # the reported half has no say
        (tried(0.5, 0.5), tried(1.0, 1.0, log_ppl=9.0), SURE, "Every factor of the latent breaks the fluency cap"),
        (tried(0.5, 0.5), tried(0.75, 0.75), SURE | {"accuracy": 0.6, "ci95": [0.45, 0.7]}, "judge cannot tell"),
    ],
)
def test_what_is_degenerate(baseline: Tried, way: Tried, judge: dict[str, Any], said: str | None) -> None:
    found = concept(baseline, {"latent": {"1": way}}, judge, PLAN)
    assert found["degenerate"] == [] if said is None else said in found["degenerate"][0]


def test_a_way_that_is_never_fluent_has_no_figure() -> None:
    grid = {"latent": {"1": tried(0.5, 0.75)}, "random": {"1": tried(0.5, 0.5, log_ppl=9.0)}}
    found = concept(tried(0.5, 0.5), grid, SURE, PLAN)
    assert found["not_fluent"] == ["random"]
    assert list(found["differences"]) == ["latent - baseline"]
    assert found["degenerate"] == []
    over = headline([named(found, "a", "x"), named(found, "b", "x")], ["latent", "random"], PLAN)
    assert over is not None
    assert over["differences"]["latent - random"] is None
    assert over["best"]["random"]["success"] is None


def named(found: dict[str, Any], label: str, arm: str) -> dict[str, Any]:
    return {"label": label, "arm": arm, **found}


def planted(gain: float, label: str, arm: str) -> dict[str, Any]:
    grid = {"latent": {"1": tried(0.5, 0.25 + gain)}, "difference_of_means": {"1": tried(0.5, 0.25)}}
    return named(concept(tried(0.5, 0.25), grid, SURE, PLAN), label, arm)


def test_the_concept_is_resampled_and_degenerate_ones_are_left_out() -> None:
    concepts = [planted(gain, label, "x") for gain, label in ((0.25, "a"), (0.5, "b"), (0.75, "c"))]
    blind = named(concept(tried(1.0, 1.0), {"latent": {"1": tried(1.0, 1.0)}}, SURE, PLAN), "d", "x")
    over = headline([*concepts, blind], ["latent", "difference_of_means"], PLAN)
    assert over is not None
    assert (over["concepts"], over["left_out"]) == (3, 1)
    found = over["differences"]["latent - difference_of_means"]
    assert (found["value"], found["n"], found["resampled"]) == (0.5, 3, CLASSES)
    assert found["ci95"][0] >= 0.25
    assert headline([blind], ["latent"], PLAN) is None
    assert "no concept is left. d along x: The unsteered text is of the class already" in doubts(None, [blind])[0]
    assert doubts(over, concepts) == []


def test_no_way_that_works_is_said() -> None:
    concepts = [planted(0.0, label, "x") for label in "abc"]
    over = headline(concepts, ["latent", "difference_of_means"], PLAN)
    assert doubts(over, concepts) == ["No way of steering beats the unsteered text."]


@pytest.mark.parametrize(
    ("concepts", "unit"),
    [
        ([("a", "x")], SAMPLES),
        ([("a", "x"), ("a", "y")], CODERS),
        ([("a", "x"), ("b", "x")], CLASSES),
        ([("a", "x"), ("b", "x"), ("b", "y")], BOTH),
    ],
)
def test_what_is_resampled(concepts: list[tuple[str, str]], unit: str) -> None:
    assert resampled(concepts) == unit
    found = headline([planted(0.25, *one) for one in concepts], ["latent"], PLAN)
    assert found is not None
    assert found["differences"]["latent - baseline"]["resampled"] == unit


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"factors": [0.0]}, "positive"),
        ({"samples": 5}, "even"),
        ({"arms": ["a", "a"]}, "name each once"),
        ({"instruction": "about"}, "must hold {label}"),
    ],
)
def test_plan_that_makes_no_sense(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SparringError, match=said):
        SteeringPlan(**{"task": "t", "arms": ["sae"], **changes})
