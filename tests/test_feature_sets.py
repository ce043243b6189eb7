"""Feature sets: planted latents found and told from random ones; absent, nothing is claimed."""

import numpy as np
import pytest
import torch
from test_probing import labelled

from sparring.errors import SparringError
from sparring.feature_sets.plan import FeatureSetPlan
from sparring.feature_sets.sets import answers, matched_sets, strongest_set
from sparring.feature_sets.stage import compare_sets
from sparring.probing.contrasts import Contrast, draw_contrasts
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


def contrast_of(task: LabelledTexts) -> Contrast:
    return draw_contrasts(task, seed=1)[0]


def test_planted_latents_are_the_set_and_beat_random_ones() -> None:
    task = labelled(train=80, test=60)
    found = compare_sets({"low": planted(task, 0), "high": planted(task, 1)}, contrast_of(task), PLAN)
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
    found = compare_sets({"low": noise(task, 0), "high": noise(task, 1)}, contrast_of(task), PLAN)
    for size in found["sizes"].values():
        low, high = size["gap"]["ci95"]
        assert low <= 0 <= high


def test_random_twins_fire_as_often_and_are_none_of_the_set() -> None:
    task = labelled(train=80, test=60)
    contrast, latents = contrast_of(task), noise(task, 0)
    rate = (latents[contrast.train.texts] > 0).double().mean(dim=0).numpy()
    chosen = strongest_set([latents], contrast, 5)
    rng = np.random.default_rng(0)
    for _ in range(20):
        (twin,) = matched_sets([latents], chosen, contrast, rng)
        assert len(set(twin)) == 5
        assert not set(twin) & set(chosen[0])
    # Of 60 rates between 0.1 and 0.9, the 20 nearest lie within about 0.2.
    means = [rate[matched_sets([latents], chosen, contrast, rng)[0]].mean() for _ in range(200)]
    assert np.mean(means) == pytest.approx(rate[chosen[0]].mean(), abs=0.1)


def test_too_few_latents_for_a_random_set() -> None:
    task = labelled()
    latents = noise(task, 0)[:, :6]
    with pytest.raises(SparringError, match="4 of 6 latents leave too few"):
        matched_sets(
            [latents], strongest_set([latents], contrast_of(task), 4), contrast_of(task), np.random.default_rng(0)
        )


def test_a_set_is_judged_on_its_own_latents_alone() -> None:
    task = labelled()
    contrast, latents = contrast_of(task), planted(task, 0)
    alone = answers([latents], [np.array([7])], contrast)
    blank = torch.zeros_like(latents)
    blank[:, 7] = latents[:, 7]
    assert np.array_equal(alone, answers([blank], [np.array([7])], contrast))


@pytest.mark.parametrize(
    ("changes", "said"), [({"arms": ["a", "a"]}, "each coder once"), ({"sizes": []}, "at least one")]
)
def test_plan_that_makes_no_sense(changes: dict, said: str) -> None:
    with pytest.raises(SparringError, match=said):
        FeatureSetPlan(**{"task": "t", "label": "a", "arms": ["a"], **changes})
