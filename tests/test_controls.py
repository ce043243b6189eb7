"""Twins in the study, a decoder that stays at random, and what is said where a control scores as high."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from checkout import ROOT
from coders_data import ARMS, tiny_activations, tiny_recipe
from headtohead_data import Simulated, simulate, two_arms
from safetensors.torch import load_file
from test_probing_stage import PLAN, TWIN, arm_of, task_of
from test_study import FOREIGN, SAE

from sparring.coders.coder import Coder
from sparring.coders.frozen import random_unit_rows
from sparring.coders.training import train_coder
from sparring.controls.compare import Measured, against_controls
from sparring.controls.figure import draw_controls
from sparring.controls.page import controls_page
from sparring.controls.plan import ControlPlan
from sparring.controls.with_probing import with_probing
from sparring.errors import SparringError
from sparring.headtohead import head_to_head
from sparring.outdated import _planned
from sparring.page import render_page
from sparring.probing.stage import probing
from sparring.specs import Specs
from sparring.stats.mover import difference_of
from sparring.study import Study, read_study
from sparring.testplan import TestPlan

CONTROLS = {"random": {"model": "weights"}, "iid": {"model": "iid_embeddings"}, "frozen": {"decoder": "random"}}
DEFAULT = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


def study(controls: dict[str, Any] | None = None, **changes: Any) -> Study:
    config = copy.deepcopy(DEFAULT) | {"controls": CONTROLS if controls is None else controls}
    config["coders"] |= changes.pop("coders", {})
    return read_study(config | changes)


def test_a_twin_has_the_spec_of_its_coder_and_other_inputs() -> None:
    specs = Specs(study(), ROOT)
    coder, twin, frozen = (specs.coder(arm) for arm in ("sae", "sae_random", "sae_frozen"))
    assert twin | {"arm": twin["arm"] | {"name": "sae"}} == coder
    assert frozen | {"arm": frozen["arm"] | {"name": "sae"}} == coder | {"decoder": "random", "decoder_seed": 0}
    assert specs.random_activations() == specs.activations() and specs.random_task_rows("bbc") == specs.task_rows("bbc")
    assert specs.subject_of("sae_random") == "results/random/random/subject.json"
    assert specs.activations_of("sae_iid") == "results/random/iid/activations.json"
    assert specs.task_rows_of("bbc", "sae_random") == "results/random/random/task_rows/bbc.json"
    for arm in ("sae", "sae_frozen", "smoke_sae"):  # a frozen decoder is trained on the trained model's rows
        assert specs.subject_of(arm) == "results/subject.json"
        assert specs.task_rows_of("bbc", arm) == "results/task_rows/bbc.json"
    made = specs.study
    assert made.control_of("sae_frozen") == "frozen" and made.model_of("sae_frozen") is None
    assert made.model_of("transcoder_iid") == "iid" and made.control_of("smoke_sae") is None
    assert made.controlled[:3] == ["sae", "transcoder", "sae_random"] and len(made.controlled) == 8
    assert not [arm for arm in made.arms if arm.startswith("smoke_") and arm.endswith("_random")]


def test_a_run_of_a_twin_reads_the_rows_of_its_model() -> None:
    arms = {"plain": "sae", "twin": "sae_random", "frozen": "sae_frozen"}
    runs = {run: {"what": "x", "measures": ["recon", "autointerp"], "arms": [arm]} for run, arm in arms.items()}
    specs = Specs(study(runs=runs), ROOT)
    assert {run: specs.run_files(run)[0] for run in runs} == {
        "plain": "results/activations.json",
        "twin": "results/random/random/activations.json",
        "frozen": "results/activations.json",
    }
    assert "results/scores/sae_random.json" in specs.run_files("twin")


def test_a_recorded_result_of_a_control_has_a_spec_and_one_of_another_study_has_none() -> None:
    with_it, without = Specs(study(), ROOT), Specs(study({}), ROOT)
    recorded = {
        "random_subject": {"control": "random"},
        "random_activations": {"control": "iid"},
        "random_task_rows": {"control": "random", "task": "bbc"},
        "recon": {"arm": "sae_random"},
        "coder": {"arm": "sae_frozen"},
    }
    for rule, wildcards in recorded.items():
        assert _planned(with_it, rule, wildcards) is not None
        assert _planned(without, rule, wildcards) is None
    assert _planned(with_it, "random_subject", {"control": "frozen"}) is None  # it has no model
    assert _planned(without, "controls", {}) is not None  # no error, though there is nothing to compare
    assert _planned(without, "llm", {}) is None  # nor for the language model of another study


def test_what_has_no_twin_is_refused_in_a_line() -> None:
    made = study(coders={"scope": SAE | FOREIGN, "jump": SAE | {"architecture": "jumprelu"}})
    assert "scope_random" not in made.arms and made.made_by("sae_lens") == [
        "jump",
        "smoke_jump",
        "jump_random",
        "jump_iid",
    ]
    specs = Specs(made, ROOT)
    with pytest.raises(SparringError, match=r"^scope_random: scope was trained elsewhere.*by its recipe"):
        specs.subject_of("scope_random")
    with pytest.raises(SparringError, match=r"^jump_frozen: jump .jumprelu. is trained by sae_lens"):
        specs.activations_of("jump_frozen")
    sports = DEFAULT["feature_sets"]["sports"]
    with pytest.raises(SparringError, match=r"feature_sets.sports: scope_random: scope was trained elsewhere"):
        study(coders={"scope": SAE | FOREIGN}, feature_sets={"sports": sports | {"arms": ["scope_random"]}})


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "neither": ({"c": {"seed": 1}}, "a control is a `model` .* or a `decoder`"),
    "both": ({"c": {"model": "weights", "decoder": "random"}}, "a control is a `model`"),
    "embeddings of a decoder": ({"c": {"decoder": "random", "embeddings": False}}, "only model: weights re-draws any"),
    "unknown model": ({"c": {"model": "noise"}}, "controls.c.model is 'noise'; input should be 'weights' or 'iid_emb"),
    "unknown key": ({"c": {"modl": "weights"}}, "unknown key 'controls.c.modl'.*'model'"),
    "a name that cannot be": ({"C": {"model": "weights"}}, "controls.C"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistaken_control_is_one_line(name: str) -> None:
    controls, said = MISTAKES[name]
    with pytest.raises(SparringError, match=said) as caught:
        study(controls)
    assert "\n" not in str(caught.value)


def test_names_that_twins_take_are_refused() -> None:
    with pytest.raises(SparringError, match="'sae_random' is the name of a twin by controls"):
        study(coders={"sae_random": SAE})
    with pytest.raises(SparringError, match="'sae_seed1' is the name of a further coder of seeds"):
        study({"seed1": {"model": "weights"}}, seeds=[1])
    topics = DEFAULT["steering"]["topics"]
    with pytest.raises(SparringError, match=r"steering.topics.arms: 'sae_iid'.*generates no text"):
        study(steering={"topics": topics | {"arms": ["sae_iid"]}})
    both = DEFAULT["feature_sets"]["sports"] | {"arms": ["sae", "sae_random"]}
    with pytest.raises(SparringError, match=r"feature_sets.sports: sae, sae_random are not of one model"):
        study(feature_sets={"sports": both})


@pytest.mark.parametrize("optimizer", ["adam", "signum", "muon"])
@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_a_frozen_decoder_stays_while_the_encoder_moves(arm: Any, optimizer: str, tmp_path: Path) -> None:
    cache = tiny_activations(tmp_path)
    found = {}
    for steps in (1, 8):
        recipe = tiny_recipe(tokens=256 * steps, optimizer=optimizer, lr=1e-3)
        (out := tmp_path / str(steps)).mkdir()
        meta = train_coder(cache, arm=arm, recipe=recipe, out=out, decoder_seed=3)
        found[steps] = load_file(out / "sae.safetensors")
    rows = random_unit_rows(64, 16, seed=3)
    assert torch.allclose(rows.norm(dim=1), torch.ones(64))
    assert torch.equal(found[8]["W_dec"] / meta["scaling"]["output_scale"], rows)  # folded by a power of two
    assert torch.equal(found[8]["W_dec"], found[1]["W_dec"])
    for name in ("encoder.weight", "encoder.bias", "b_dec", *(["W_skip"] if "skip" in arm.kind else [])):
        assert not torch.equal(found[8][name], found[1][name]), name
    assert (meta["decoder"], meta["decoder_seed"]) == ("random", 3)
    assert Coder.load(tmp_path / "8").n_latents == 64


def test_another_seed_draws_another_decoder_and_none_trains_it() -> None:
    assert not torch.equal(random_unit_rows(8, 4, seed=0), random_unit_rows(8, 4, seed=1))
    big = random_unit_rows(20_000, 3, seed=0)
    assert float(big.mean(dim=0).abs().max()) < 0.02  # no side of the sphere is favoured
    assert torch.allclose(big.T @ big / len(big), torch.eye(3) / 3, atol=0.01)


def test_the_interval_of_a_difference_from_two() -> None:
    low, high = difference_of(0.8, [0.7, 0.9], 0.5, [0.4, 0.6])
    assert (low, high) == pytest.approx((0.3 - 0.02**0.5, 0.3 + 0.02**0.5))
    assert difference_of(0.8, [0.7, 0.9], 0.5, [0.5, 0.5]) == pytest.approx((0.2, 0.4))  # nothing to add
    rng = np.random.default_rng(0)
    half, hits = 1.96 * np.sqrt(1 / 25), 0
    for _ in range(2000):  # two means of 25: about 95 of 100 intervals hold the true difference, 0
        a, b = rng.standard_normal((2, 25)).mean(axis=1)
        low, high = difference_of(a, (a - half, a + half), b, (b - half, b + half))
        hits += low <= 0 <= high
    assert 0.935 < hits / 2000 < 0.965


def measured(folder: Path, name: str, mean: float, *, ve: float, recovered: float | None = 0.9) -> Measured:
    arm = simulate(folder, name, Simulated(mean=mean, sd=0.05, n=60))
    ends = None if recovered is None else [recovered - 0.02, recovered + 0.02]
    recon = {"ve": ve, "ve_ci95": [ve - 0.02, ve + 0.02], "l0": 16.0, "dead_fraction": 0.1}
    recon["model"] = {"ce_recovered": recovered, "ce_recovered_ci95": ends}
    return Measured(recon, arm.scored, arm.score_meta)


def compared(folder: Path, control: str, random: Measured) -> dict[str, Any]:
    return against_controls(
        {"sae": measured(folder, "sae", 0.75, ve=0.8), "twin": random},
        {"sae": {control: "twin"}},
        {control: {"model": None, "embeddings": None, "decoder": None, "seed": 0} | CONTROLS[control]},
        refused={},
        plan=TestPlan(resamples=2000),
    )


def test_a_random_model_that_scores_as_high_is_said_in_words(tmp_path: Path) -> None:
    found = compared(tmp_path, "random", measured(tmp_path, "twin", 0.75, ve=0.5))
    assert len(found["sentences"]) == 3  # detection, fuzz and cross-entropy recovered; variance explained is clear
    page = controls_page(found, figure="controls.svg")
    assert "In detection, latents of a randomised model score as high as those of the trained model, as far as" in page
    assert "this score says little about what the model learned." in page
    assert "In cross-entropy recovered, a coder of a randomised model does as well as that of the trained" in page
    assert "In variance explained" not in page and "each coder is above" not in page
    higher = compared(tmp_path, "random", measured(tmp_path, "twin", 0.85, ve=0.9, recovered=0.99))
    assert [("higher" in said or "better" in said) for said in higher["sentences"]] == [True] * 4


def test_a_random_model_that_is_clearly_below_is_not(tmp_path: Path) -> None:
    found = compared(tmp_path, "random", measured(tmp_path, "twin", 0.55, ve=0.5, recovered=0.2))
    assert found["sentences"] == []
    page = controls_page(found, figure="controls.svg")
    assert "each coder is above" in page and "says little about what the" not in page
    detection = found["coders"]["sae"]["random"]["metrics"]["detection"]
    assert detection["ci95"][0] < detection["diff"] < detection["ci95"][1]
    assert detection["diff"] == pytest.approx(detection["trained"]["value"] - detection["random"]["value"], abs=2e-6)
    ve = found["coders"]["sae"]["random"]["metrics"]["ve"]
    assert ve["diff"] == pytest.approx(0.3) and ve["ci95"] == pytest.approx(
        [0.3 - 8e-4**0.5, 0.3 + 8e-4**0.5], abs=1e-6
    )


def test_the_page_has_the_probes_of_the_same_coders_too(tmp_path: Path) -> None:
    compared_ = compared(tmp_path, "random", measured(tmp_path, "sae_random", 0.55, ve=0.5, recovered=0.2))
    compared_["coders"]["sae"]["random"]["twin"] = "sae_random"
    made, labels = task_of(tmp_path / "task")
    arm = arm_of(tmp_path, labels, 4.0)
    good, bad = (
        with_probing(compared_, [probing(arm, [control], made, plan=PLAN) | {"task": "topics"}])
        for control in (arm_of(tmp_path / f"{strength}", labels, strength, arm=TWIN, seed=1) for strength in (4.0, 0.0))
    )
    name = "topics, the probe on all latents"
    metric = bad["coders"]["sae"]["random"]["metrics"][name]
    assert metric["diff"] == pytest.approx(metric["trained"]["value"] - metric["random"]["value"], abs=2e-6)
    assert metric["ci95"][0] > 0 and not [said for said in bad["sentences"] if "the probe on all latents" in said]
    assert any(said.startswith("On topics, the probe on all latents of the control") for said in good["sentences"])
    page = controls_page(good, figure="controls.svg")
    assert f"| {name} |" in page and all(sentence in page for sentence in good["sentences"])
    assert compared_["sentences"] == [] and name not in compared_["coders"]["sae"]["random"]["metrics"]
    draw_controls(good, svg=tmp_path / "probed.svg")


def test_a_score_without_an_interval_is_not_passed_over(tmp_path: Path) -> None:
    twin = measured(tmp_path, "twin", 0.55, ve=0.5, recovered=1.2)
    twin.recon["model"]["ce_recovered_ci95"] = None
    found = compared(tmp_path, "random", twin)
    assert found["sentences"] == []
    page = controls_page(found, figure="controls.svg")
    assert "sae against twin, cross-entropy recovered: not compared, random has no interval" in page
    assert "In every score compared, each coder is above its twins" in page


def test_words_fit_the_control_and_what_was_not_measured_says_why(tmp_path: Path) -> None:
    found = compared(tmp_path, "frozen", measured(tmp_path, "twin", 0.75, ve=0.5, recovered=None))
    page = controls_page(found, figure="controls.svg")
    assert "latents with a decoder left at random score as high as those with a trained one" in page
    assert "says little about what training the decoder adds" in page
    assert "cross-entropy recovered: not measured, ce_recovered has no value for random: zeros do no harm there" in page
    iid = compared(tmp_path, "iid", measured(tmp_path, "twin", 0.75, ve=0.5))
    assert "latents of a model in which no token is the same twice" in controls_page(iid, figure="f")
    nothing = measured(tmp_path, "twin", 0.75, ve=0.5)
    for key in nothing.scores.tables:
        nothing.scores.tables[key] = nothing.scores.table("none", "none")
    metric = compared(tmp_path, "random", nothing)["coders"]["sae"]["random"]["metrics"]["fuzz"]
    assert metric["not_measured"].endswith("random has 0")
    with pytest.raises(SparringError, match="none of the compared coders has a twin"):
        against_controls({}, {"sae": {}}, {}, refused={}, plan=TestPlan())


def test_the_head_to_heads_page_has_a_section_on_them(tmp_path: Path) -> None:
    arms = two_arms(tmp_path / "arms")
    result = head_to_head(arms=arms, order=("sae", "transcoder"), plan=TestPlan(resamples=200), provenance={})
    plain = render_page(result, examples={}, figure="f.png")
    found = compared(tmp_path, "random", measured(tmp_path, "twin", 0.75, ve=0.5))
    page = render_page(result | {"controls": found}, examples={}, figure="f.png")
    section = page.split("## Against a randomised model")[1].split("## Latents")[0]
    assert "| entropy of a latent's tokens, bits | 3.000" in section and "| bag of words, detection |" in section
    assert all(sentence in section for sentence in found["sentences"]) and "### sae against twin" in section
    assert "Against a randomised model" not in plain


def test_the_figure_repeats_byte_for_byte(tmp_path: Path) -> None:
    found = compared(tmp_path, "random", measured(tmp_path, "twin", 0.75, ve=0.5, recovered=None))
    for name in ("a", "b"):
        draw_controls(found, svg=tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_plan_knows_its_embeddings() -> None:
    assert ControlPlan(model="weights").with_embeddings
    assert not ControlPlan(model="weights", embeddings=False).with_embeddings
