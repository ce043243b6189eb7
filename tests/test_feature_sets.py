"""Feature sets: planted latents found and told from random ones; absent, nothing is claimed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from test_probing import labelled

from sparring.errors import SparringError
from sparring.feature_sets.accuracy import answers, compare_sets
from sparring.feature_sets.plan import FeatureSetPlan, readout_of
from sparring.feature_sets.sets import draw_sets, twin_set
from sparring.probing.contrasts import Contrast, balanced, contrast_of, draw_contrasts
from sparring.probing.labelled import LabelledTexts

LATENTS = 60
PLAN = FeatureSetPlan(task="t", label="a", arms=["low", "high"], sizes=[2, 4], random_sets=20, resamples=500)


def noise(task: LabelledTexts, seed: int) -> torch.Tensor:
    """[text, latent] of sparse latents that know nothing of the classes."""
    rng = torch.Generator().manual_seed(seed)
    values = torch.rand(len(task.texts), LATENTS, generator=rng)
    return values * (torch.rand(values.shape, generator=rng) < torch.linspace(0.1, 0.9, LATENTS))


def planted(task: LabelledTexts, seed: int) -> torch.Tensor:
    """The same, but that latents 7 and 30 fire in half of the first class's texts each, and hardly elsewhere."""
    values = noise(task, seed)
    first = torch.tensor([label == task.classes[0] for label in task.labels])
    rng = torch.Generator().manual_seed(seed + 100)
    for latent in (7, 30):
        fires = torch.rand(len(first), generator=rng) < torch.where(first, 0.9, 0.1)
        values[:, latent] = fires * 3.0
    return values


def contrast(task: LabelledTexts) -> Contrast:
    return draw_contrasts(task, seed=1)[0]


def compared(latents: dict[str, torch.Tensor], task: LabelledTexts) -> dict[str, Any]:
    drawn = draw_sets(list(latents.values()), contrast(task), PLAN)
    return compare_sets(latents, contrast(task), drawn, PLAN)


def test_planted_latents_are_the_set_and_beat_random_ones() -> None:
    task = labelled(train=80, test=60)
    found = compared({"low": planted(task, 0), "high": planted(task, 1)}, task)
    two = found["sizes"]["2"]
    assert set(two["latents"]["low"]) == {7, 30}
    assert two["set"]["value"] > 0.9
    assert two["gap"]["ci95"][0] > 0.2
    assert two["gap"]["value"] == pytest.approx(two["set"]["value"] - two["random"]["value"], abs=1e-5)
    assert abs(two["random"]["value"] - 0.5) < 0.1
    assert list(two["build_up"]) == ["low", "low+high"]
    assert two["build_up"]["low+high"]["value"] == two["set"]["value"]
    assert two["share_of_ceiling"] == pytest.approx(two["set"]["value"] / found["ceiling"]["value"], abs=1e-5)


def test_without_anything_planted_nothing_is_claimed() -> None:
    task = labelled(train=80, test=60)
    found = compared({"low": noise(task, 0), "high": noise(task, 1)}, task)
    for size in found["sizes"].values():
        low, high = size["gap"]["ci95"]
        assert low <= 0 <= high


def test_random_twins_fire_as_often_and_are_none_of_the_set() -> None:
    task = labelled(train=80, test=60)
    latents = noise(task, 0)
    rate = (latents[contrast(task).train.texts] > 0).double().mean(dim=0).numpy()
    drawn = draw_sets([latents], contrast(task), replace(PLAN, sizes=[5], random_sets=200))
    assert np.array_equal(drawn.rates[0], rate)
    mine = drawn.of(5)[0]
    for (twin,) in drawn.twins[5]:
        assert len(set(twin)) == 5
        assert not set(twin) & set(mine)
    # Of 60 rates between 0.1 and 0.9, the 20 nearest lie within about 0.2.
    assert np.mean([rate[twin[0]].mean() for twin in drawn.twins[5]]) == pytest.approx(rate[mine].mean(), abs=0.1)
    slow = np.mean([abs(rate[a] - rate[b]) for (twin,) in drawn.twins[5] for a, b in zip(mine, twin, strict=True)])
    assert drawn.mismatch(5) == pytest.approx(slow)


def test_of_the_latents_that_are_stronger_in_the_class_alone() -> None:
    task = labelled(train=80, test=60)
    latents = planted(task, 0)
    latents[:, 30] = 3 - latents[:, 30]  # the sign of the other classes
    train, positive = contrast(task).train
    assert set(draw_sets([latents], contrast(task), PLAN).of(2)[0]) == {7, 30}
    (order,) = draw_sets([latents], contrast(task), PLAN, more=True).orders
    gap = (latents[train][positive].mean(dim=0) - latents[train][~positive].mean(dim=0))[order]
    assert order[0] == 7 and 30 not in order
    assert (gap > 0).all() and (gap.diff() <= 0).all()


def test_a_set_may_be_short_of_its_size_or_empty() -> None:
    task = labelled(train=80, test=60)
    latents = torch.zeros_like(noise(task, 0))
    drawn = draw_sets([latents], contrast(task), PLAN, more=True)
    assert [len(some) for some in drawn.of(4)] == [0] and drawn.mismatch(4) == 0
    assert all(len(twin) == 0 for (twin,) in drawn.twins[4])
    latents[:, 7] = planted(task, 0)[:, 7]
    drawn = draw_sets([latents], contrast(task), PLAN, more=True)
    assert drawn.of(4)[0].tolist() == [7] and len(drawn.twins[4][0][0]) == 1


def test_the_nearest_in_rate_are_taken() -> None:
    rate = np.repeat([0.1, 0.5, 0.9], 30)
    for seed in range(5):
        (twin,) = twin_set([rate], [np.array([0, 45, 89])], np.random.default_rng(seed))
        assert rate[twin].tolist() == [0.1, 0.5, 0.9]


def test_too_few_latents_for_a_random_set() -> None:
    task = labelled()
    latents = noise(task, 0)[:, :6]
    with pytest.raises(SparringError, match="sizes: 4 of 6 latents leave too few"):
        draw_sets([latents], contrast(task), PLAN)


def test_a_set_is_judged_on_its_own_latents_alone() -> None:
    task = labelled()
    latents = planted(task, 0)
    alone = answers([latents], [np.array([7])], contrast(task))
    blank = torch.zeros_like(latents)
    blank[:, 7] = latents[:, 7]
    assert np.array_equal(alone, answers([blank], [np.array([7])], contrast(task)))


def test_latents_that_never_fire_are_counted() -> None:
    task = labelled()
    latents = noise(task, 0)
    latents[:, :-3] = 0
    drawn = draw_sets([latents, latents], contrast(task), PLAN)
    assert (drawn.dead(2), drawn.dead(4)) == (0, 2)
    assert drawn.mismatch(4) > 0.1  # three latents alone fire: their twins cannot


def test_a_class_that_is_not_there_or_has_too_few_texts() -> None:
    task = labelled(train=6, test=4)
    with pytest.raises(SparringError, match="no class 'z'; the task has a, b, c"):
        contrast_of(task, "z", seed=0, key="feature_sets.label")
    lone = [n for n, label in enumerate(task.labels) if label != "a" or task.is_train[n] or n == 18]
    few = LabelledTexts([task.texts[n] for n in lone], [task.labels[n] for n in lone], task.is_train[lone])
    with pytest.raises(SparringError, match="class 'a' has 1 test texts against 1 others; 2 of each are needed"):
        contrast_of(few, "a", seed=0, key="feature_sets.label")


def test_texts_under_ablation_are_half_of_the_class() -> None:
    test = contrast(labelled()).test
    some = balanced(test, 10)
    assert some.positive.sum() == 5 and len(some.texts) == 10
    assert [text for text in test.texts if text in set(some.texts)] == list(some.texts)
    assert np.array_equal(balanced(test, 1000).texts, test.texts)


SITES = {"low": "layers.2.resid_post", "high": "layers.5.mlp.out", "last": "layers.9.resid_post"}


@pytest.mark.parametrize(
    ("arms", "readout", "site"),
    [
        (["low"], None, "layers.9.resid_post"),  # the deepest arm
        (["low", "last"], None, "layers.13.resid_post"),  # four blocks on
        (["high"], "layers.5.resid_post", "layers.5.resid_post"),
    ],
)
def test_where_a_set_is_read_off(arms: list[str], readout: str | None, site: str) -> None:
    assert readout_of(replace(PLAN, arms=arms, readout=readout), SITES, 30) == site


def test_a_readout_before_the_set_is_refused() -> None:
    with pytest.raises(SparringError, match=r"'layers.5.mlp.in' is not later than 'layers.5.mlp.out'"):
        readout_of(replace(PLAN, arms=["high"], readout="layers.5.mlp.in"), SITES, 30)
    with pytest.raises(SparringError, match="two write one site"):
        readout_of(replace(PLAN, arms=["low", "other"]), {**SITES, "other": SITES["low"]}, 30)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"arms": ["a", "a"]}, "each coder once"),
        ({"sizes": []}, "at least one"),
        ({"random_sets": 3}, "random_faithful 5 of 3 random_sets"),
    ],
)
def test_plan_that_makes_no_sense(changes: dict, said: str) -> None:
    with pytest.raises(SparringError, match=said):
        FeatureSetPlan(**{"task": "t", "label": "a", "arms": ["a"], **changes})
