"""The steering stage on a little world: a planted topic is steered to, an absent one is not; what is degenerate."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from probing_data import CLASSES
from steering_data import SITES, world

from sparring.canonical import pretty_json
from sparring.errors import SparringError
from sparring.jobview import Job
from sparring.probing.plan import ProbingPlan
from sparring.registry.files import RunInputs
from sparring.registry.labelled import steering
from sparring.steering.figure import draw_steering
from sparring.steering.page import steering_page
from sparring.steering.plan import SteeringPlan
from sparring.steering.stage import steer
from sparring.store import Store
from sparring.testplan import TestPlan

PLAN: dict[str, Any] = {
    "task": "t",
    "arms": ["sae_0", "sae_1"],
    "prompts": ["the mayor said", "of the"],
    "instruction": "{label} ",
    "factors": [0.5, 1.0, 2.0],
    "tokens": 10,
    "ppl_cap": 2.0,
    "resamples": 500,
}


def steered(folders: dict[str, Any], **changes: Any) -> dict[str, Any]:
    plan = SteeringPlan(**{**PLAN, **changes})
    coders = {arm: folders["coders"][arm] for arm in plan.arms}
    return steer(**{**folders, "coders": coders}, plan=plan, probing=ProbingPlan(), layer=1, batch=64)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return world(tmp_path_factory.mktemp("steering"))


@pytest.fixture(scope="module")
def found(folders: dict[str, Any]) -> dict[str, Any]:
    return steered(folders)


def test_planted_topics_are_steered_to_and_a_random_direction_is_not_a_topic(found: dict[str, Any]) -> None:
    over = found["headline"]
    assert over["concepts"] + over["left_out"] == 2 * len(CLASSES)
    differences = over["differences"]
    for better in ("latent - baseline", "latent - random", "difference_of_means - baseline"):
        assert differences[better]["value"] > 0.3, better
        assert differences[better]["ci95"][0] > 0, better
    assert abs(differences["random - baseline"]["value"]) < 0.25
    assert found["degenerate"] == []
    assert {one["latent"] for one in found["concepts"]} == {1, 2, 3}


def test_absent_topics_are_not(tmp_path: Path) -> None:
    found = steered(world(tmp_path / "absent", planted=False))
    if found["headline"] is not None:
        low, high = found["headline"]["differences"]["latent - baseline"]["ci95"]
        assert low <= 0 <= high
    assert found["degenerate"]


def test_every_concept_has_every_figure(found: dict[str, Any]) -> None:
    assert list(found["prompt_scan"]) == list(CLASSES) == list(found["judge"])
    assert set(found["units"]) == set(SITES)
    for one in found["concepts"]:
        scan = found["prompt_scan"][one["label"]]
        assert abs(scan[one["prompt"]] - 0.5) == min(abs(value - 0.5) for value in scan.values())
        assert set(one["grid"]) == {"latent", "difference_of_means", "random", "prompt"}
        assert one["baseline"]["n"] == 16
        for best in one["best"].values():
            assert best["n"] == 8
    same = [one["baseline"] for one in found["concepts"] if one["label"] == "sport"]
    assert same[0] == same[1]  # of one class and prompt


def test_the_headline_is_the_mean_over_concepts_that_count(found: dict[str, Any]) -> None:
    counted = [one for one in found["concepts"] if not one["degenerate"]]
    name = "latent - difference_of_means"
    values = [one["differences"][name]["value"] for one in counted if name in one["differences"]]
    over = found["headline"]["differences"][name]
    assert over["value"] == pytest.approx(np.mean(values), abs=1e-6)
    assert over["n"] == len(values)
    assert over["resampled"] == "classes, and within each the coders"


def test_each_coder_alone(found: dict[str, Any]) -> None:
    for arm, differences in found["by_arm"].items():
        mine = [one for one in found["concepts"] if one["arm"] == arm and not one["degenerate"]]
        values = [one["differences"]["latent - baseline"]["value"] for one in mine]
        assert differences["latent - baseline"]["value"] == pytest.approx(np.mean(values), abs=1e-6)
        assert differences["latent - baseline"]["resampled"] == "classes"
    assert list(found["by_arm"]) == ["sae_0", "sae_1"]


def test_one_concept_falls_back_on_its_samples(folders: dict[str, Any], found: dict[str, Any]) -> None:
    alone = steered(folders, labels=["sport"], arms=["sae_1"])
    over = alone["headline"]["differences"]["latent - baseline"]
    assert over["resampled"].startswith("samples of the one concept")
    assert over["n"] == 8
    # What a concept gives does not depend on what else the plan names.
    assert alone["concepts"][0] == next(
        one for one in found["concepts"] if (one["label"], one["arm"]) == ("sport", "sae_1")
    )


def test_same_plan_same_bytes_and_a_page(folders: dict[str, Any], found: dict[str, Any], tmp_path: Path) -> None:
    few = {"labels": ["sport"], "arms": ["sae_1"], "factors": [1.0]}
    assert pretty_json(steered(folders, **few)) == pretty_json(steered(folders, **few))
    for name in ("a", "b"):
        draw_steering(json.loads(pretty_json(found)), svg=tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    page = steering_page(found, name="topics", figure="topics.svg")
    assert "| latent - difference of means |" in page
    assert "### sport along sae_1" in page


def test_a_run_without_a_fluent_factor_is_degenerate(folders: dict[str, Any], tmp_path: Path) -> None:
    found = steered(folders, labels=["sport"], arms=["sae_1"], ppl_cap=1.0001, factors=[500.0])
    assert found["headline"] is None
    assert "no concept is left" in found["degenerate"][0]
    assert "Every factor of the latent breaks the fluency cap" in found["degenerate"][0]
    assert "latent" in found["concepts"][0]["not_fluent"]
    draw_steering(found, svg=tmp_path / "none.svg")
    assert "Every factor of the latent" in steering_page(found, name="none", figure="none.svg")


def test_a_class_that_the_task_does_not_have(folders: dict[str, Any]) -> None:
    with pytest.raises(SparringError, match="no class 'chess'; the task has money, rain, sport"):
        steered(folders, labels=["chess"])


def test_the_registry_has_every_figure_with_its_interval(found: dict[str, Any], tmp_path: Path) -> None:
    """Those of the published row ctrl-steer-v2: baseline, cap, the best factors and successes, the difference."""

    def read(result: dict[str, Any]) -> Any:
        (tmp_path / "result.json").write_bytes(pretty_json(result))
        files = {"x": tmp_path / "result.json"}
        job = Job("study_run", {}, {}, 1, tmp_path, tmp_path, Store(tmp_path / "store"), files, {}, tmp_path)
        return steering(RunInputs(job, {("steering", ""): "x"}), "", TestPlan())

    figures, doubts, _ = read(found)
    published = ["baseline_success", "baseline_ppl", "ppl_cap", "diff latent - difference_of_means"]
    published += [f"{way}_best_{what}" for way in ("latent", "difference_of_means") for what in ("factor", "success")]
    for name in published:
        assert figures[name]["value"] is not None, name
        assert figures[name]["ci95"] is not None, name
    assert [one for one in doubts if "latent - difference_of_means includes 0" in one]
    none, doubts, _ = read({**found, "headline": None, "degenerate": ["Degenerate: no concept is left."]})
    assert none == {"concepts": {"value": 0.0, "ci95": None, "n": None}}
    assert doubts == ["Degenerate: no concept is left."]
