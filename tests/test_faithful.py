"""Faithfulness: a planted direction is what the set is faithful to; absent, or not in the coder, nothing is claimed."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from coders_data import TRANSCODER, random_coder, save_coder
from planted_data import ARMS, CONTEXT, LATENT, READOUT, Planted, altered, planted_study
from probing_data import tiny_task_rows

from sparring.coders.coder import Coder
from sparring.errors import SparringError
from sparring.feature_sets import runs
from sparring.feature_sets.figure import draw_feature_sets
from sparring.feature_sets.means import token_means
from sparring.feature_sets.page import feature_sets_page
from sparring.feature_sets.plan import FeatureSetPlan
from sparring.feature_sets.stage import ablated_model, feature_sets
from sparring.probing.contrasts import balanced, contrast_of
from sparring.probing.labelled import read_task
from sparring.probing.means import mean_latents
from sparring.probing.plan import ProbingPlan
from sparring.probing.probe import mean_difference
from sparring.probing.readout import fit_readout
from sparring.probing.task_rows import TaskRows
from sparring.registry import labelled
from sparring.registry.files import RunInputs
from sparring.testplan import TestPlan

PLAN = FeatureSetPlan(
    task="t", label="a", arms=["low"], sizes=[1, 3], random_sets=10, random_faithful=4, faithful_texts=40, resamples=500
)
BOTH = replace(PLAN, arms=["low", "high"])


@pytest.fixture(scope="module")
def present(tmp_path_factory) -> Planted:
    return planted_study(tmp_path_factory.mktemp("present"), present=True)


@pytest.fixture(scope="module")
def absent(tmp_path_factory) -> Planted:
    return planted_study(tmp_path_factory.mktemp("absent"), present=False)


def result(study: Planted, plan: FeatureSetPlan, coders: Mapping[str, Path] | None = None) -> dict[str, Any]:
    return feature_sets(
        study.subject,
        coders or study.coders,
        study.task,
        study.rows,
        plan=plan,
        probing=ProbingPlan(),
        readout=READOUT,
        context=CONTEXT,
    )


@pytest.fixture(scope="module")
def found(present) -> dict[str, Any]:
    return result(present, BOTH)


def test_the_planted_latent_is_the_set_and_the_model_is_faithful_with_it(found) -> None:
    one = found["sizes"]["1"]
    assert one["latents"] == {"low": [LATENT], "high": [LATENT]}
    assert one["set"]["value"] > 0.95 and one["gap"]["ci95"][0] > 0.2
    assert found["faithfulness"]["accuracy"]["value"] > 0.95
    for switch in ("errors_stay", "errors_ablated"):
        of = found["faithfulness"][switch]
        for shares in of["sizes"].values():
            assert shares["faithfulness"]["value"] == pytest.approx(1, abs=0.15)
            assert shares["random"]["value"] == pytest.approx(0, abs=0.1)
            assert shares["gap"]["ci95"][0] > 0.5
        assert of["effect"]["ci95"][0] > 0
    shares = found["faithfulness"]["errors_stay"]["sizes"]["1"]
    assert shares["completeness"]["value"] == pytest.approx(1, abs=0.25)
    assert shares["completeness"]["value"] == pytest.approx(1 - shares["complement"]["value"], abs=1e-5)
    # The later coder has to let the direction through as well.
    assert shares["build_up"]["low"]["value"] == pytest.approx(0, abs=0.1)
    assert shares["build_up"]["low+high"] == shares["faithfulness"]
    # A latent of one class fires in half of the texts, where others of so few fire in nearly all.
    assert [said[:36] for said in found["doubts"]] == ["Random sets could not be matched: by"] and found["notes"] == []


def test_with_every_latent_and_error_the_model_is_wholly_faithful(found) -> None:
    all_kept = found["faithfulness"]["errors_stay"]["curve"]["all"]
    assert all_kept == {"value": 1.0, "ci95": [1.0, 1.0], "n": 40}
    assert list(found["faithfulness"]["errors_stay"]["curve"]) == ["1", "3", "12", "48", "all"]


def test_with_the_direction_absent_nothing_is_claimed(absent) -> None:
    found = result(absent, PLAN)
    for size in found["sizes"].values():
        assert size["gap"]["ci95"][0] <= 0
    said = " ".join(found["doubts"])
    assert "A probe on the set does not tell the class at size 1" in said
    assert "The set does not beat random sets at size 1" in said
    assert f"The readout at {READOUT} does not tell the class" in said
    for switch in ("errors_stay", "errors_ablated"):
        for shares in found["faithfulness"][switch]["sizes"].values():
            assert shares["faithfulness"] == {"value": None, "ci95": None, "n": 40}
            assert shares["random"]["value"] is None and shares["completeness"]["value"] is None
    page = feature_sets_page(found, name="x", figure="x.svg")
    assert "nothing to be faithful to" in page and "none" in page


def test_a_coder_that_writes_nothing_leaves_nothing_to_be_faithful_to(present, tmp_path) -> None:
    silent = altered(tmp_path / "low", present.coders["low"], lambda weights: weights["W_dec"].zero_())
    found = result(present, PLAN, {"low": silent})
    assert found["sizes"]["1"]["latents"] == {"low": [LATENT]}  # which tells the class, but the model does not use it
    stay = found["faithfulness"]["errors_stay"]
    assert stay["effect"]["value"] == 0 and stay["sizes"]["1"]["faithfulness"]["value"] is None
    assert any("With errors staying" in said and "nothing to be faithful to" in said for said in found["doubts"])
    # All is in the errors: with these ablated there is an effect, and the set has no part in it.
    assert found["faithfulness"]["errors_ablated"]["sizes"]["1"]["faithfulness"]["value"] == pytest.approx(0, abs=1e-4)
    assert any(said.startswith("With errors ablated, the set is not more faithful") for said in found["doubts"])


def test_latents_that_never_fire_are_said(present, tmp_path) -> None:
    def kill(weights: dict[str, torch.Tensor]) -> None:
        weights["encoder.bias"][:] = -1e6
        weights["encoder.bias"][LATENT] = 0

    found = result(present, replace(PLAN, sizes=[3]), {"low": altered(tmp_path / "low", present.coders["low"], kill)})
    assert found["sizes"]["3"]["dead"] == 2
    assert found["notes"] == ["Fewer latents fire than the set holds: 2 of 3 at size 3 fire in no training text."]
    assert any("Random sets could not be matched" in said for said in found["doubts"])


def test_latents_that_do_not_vary_are_said(present, tmp_path) -> None:
    dead = altered(tmp_path / "low", present.coders["low"], lambda weights: weights["encoder.bias"].fill_(-1e6))
    found = result(present, PLAN, {"low": dead})
    assert found["varies"] is False
    assert any("No latent differs" in said for said in found["doubts"])
    assert found["faithfulness"]["errors_stay"]["curve"]["all"]["value"] is None


def test_an_ablation_that_does_not_put_back_what_was_there_stops_the_job(present, monkeypatch) -> None:
    real = runs.resumed

    @contextlib.contextmanager
    def other(model: Any, block: int, entered: torch.Tensor) -> Any:
        with real(model, block, entered.roll(1, dims=0)):
            yield

    monkeypatch.setattr(runs, "resumed", other)
    with pytest.raises(SparringError, match="keeping every latent and error moves a readout by"):
        result(present, replace(PLAN, arms=["high"]))


def test_means_are_those_of_a_loop_over_tokens(present) -> None:
    coder = Coder.load(present.coders["low"])
    texts = contrast_of(read_task(present.task), "a", seed=0, key="label").train.texts
    found = token_means(coder, present.rows, texts)
    latents, errors = [], []
    with TaskRows(present.rows) as rows:
        batch = next(rows.batches(ARMS["low"].read_site, 1000))
    for text in texts:
        for x in batch.acts[text][batch.counted[text]]:
            latents.append(coder.dense(x[None])[0].double())
            errors.append((x - coder.forward(x[None])[0]).double())
    torch.testing.assert_close(found.latents, torch.stack(latents).mean(dim=0).float())
    torch.testing.assert_close(found.error, torch.stack(errors).mean(dim=0).float(), rtol=1e-4, atol=1e-5)


def test_rows_of_a_run_are_in_the_order_of_the_texts_and_those_of_the_cache(present) -> None:
    texts = read_task(present.task)
    contrast = contrast_of(texts, "a", seed=42, key="label")
    at = ARMS["high"].write_site  # which the cache has: there the readout can be compared
    model = ablated_model(
        present.subject, present.coders, texts, present.rows, contrast, plan=PLAN, readout=at, context=CONTEXT
    )
    with TaskRows(present.rows) as rows:
        batch = next(rows.batches(at, 1000))
    wanted = [batch.acts[text][batch.counted[text]].mean(dim=0) for text in balanced(contrast.test, 40).texts]
    torch.testing.assert_close(model.runs.clean, torch.stack(wanted), rtol=1e-4, atol=1e-4)
    every = [torch.arange(64).numpy()]
    assert np.allclose(model.logits(every, errors_stay=True), model.clean(), atol=1e-4)


def test_a_readout_where_nothing_differs_is_refused() -> None:
    with pytest.raises(SparringError, match="the same for every text"):
        fit_readout(torch.ones(6, 4), np.array([True, False] * 3))


def test_same_result_same_page_and_figure(found, tmp_path) -> None:
    json.dumps(found, allow_nan=False)
    for name in ("one", "two"):
        draw_feature_sets(found, svg=tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    page = feature_sets_page(found, name="x", figure="x.svg")
    assert found["doubts"][0] in page and "![Accuracy and faithfulness" in page


@dataclass(frozen=True)
class OneFile(RunInputs):
    """A run's inputs of which one result is asked for."""

    path: Path = Path()

    def file(self, kind: str, arm: str = "") -> Path:
        assert kind == "feature_sets"
        return self.path


def test_a_run_has_every_published_figure_with_an_interval(found, tmp_path) -> None:
    (tmp_path / "result.json").write_text(json.dumps(found))
    test = TestPlan(resamples=100, seed=0)
    reported = labelled.feature_sets(OneFile(cast(Any, None), {}, tmp_path / "result.json"), "low", test)
    published = {"ceiling", "top1", "random1", "gap1", "build_up1_low", "build_up1_low+high"}
    shares = {
        f"{name}1_{switch}"
        for name in ("faithfulness", "random_faithfulness", "completeness")
        for switch in ("errors_stay", "errors_ablated")
    }
    for name in published | shares:
        assert reported.figures[name]["value"] is not None and len(reported.figures[name]["ci95"]) == 2, name
    assert reported.doubts == found["doubts"]


def test_a_skip_transcoder_is_ablated_between_its_two_sites(tmp_path) -> None:
    subject, task, rows = tiny_task_rows(tmp_path, TRANSCODER.sites)
    (tmp_path / "coder").mkdir()
    coder = save_coder(random_coder(TRANSCODER), TRANSCODER, tmp_path / "coder")
    found = feature_sets(
        subject,
        {"low": coder},
        task,
        rows,
        plan=replace(PLAN, label="rain"),
        probing=ProbingPlan(),
        readout="layers.1.resid_post",
        context=48,
    )
    assert found["examples"] == {"train": 20, "test": 12}
    assert found["doubts"][0] == "There are 12 test texts, fewer than 20: intervals over them say little."
    assert found["faithfulness"]["errors_stay"]["effect"]["value"] != 0
    latents = mean_latents(coder, rows, len(read_task(task).texts))
    contrast = contrast_of(read_task(task), "rain", seed=42, key="label")
    gap = mean_difference(latents[contrast.train.texts], contrast.train.positive).abs()
    assert found["sizes"]["3"]["latents"]["low"] == gap.argsort(descending=True)[:3].tolist()
