"""Unlearning: a planted latent is what the class is predicted by; ablating it is the slow twin's; absent, no claim."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import yaml
from checkout import ROOT
from coders_data import TRANSCODER, random_coder, save_coder
from planted_data import CONTEXT, LATENT, Planted, altered, planted_study
from probing_data import tiny_task_rows
from transformers import AutoModelForCausalLM

from sparring.coders.coder import Coder
from sparring.cross_entropy import sequences_at_once
from sparring.errors import SparringError
from sparring.feature_sets import runs
from sparring.feature_sets.means import token_means
from sparring.feature_sets.sets import Columns
from sparring.outdated import _planned
from sparring.probing.contrasts import balanced, contrast_of
from sparring.probing.labelled import read_task
from sparring.probing.plan import ProbingPlan
from sparring.probing.task_tokens import task_tokens
from sparring.registry import labelled
from sparring.registry.files import RunInputs
from sparring.specs import Specs
from sparring.study import read_study
from sparring.testplan import TestPlan
from sparring.unlearning.doubts import doubts, notes
from sparring.unlearning.effects import effects
from sparring.unlearning.figure import draw_unlearning
from sparring.unlearning.forget import Forgetting
from sparring.unlearning.page import unlearning_page
from sparring.unlearning.plan import UnlearningPlan
from sparring.unlearning.stage import forgetting, unlearning

PLAN = UnlearningPlan(
    task="t", label="a", arms=["low"], sizes=[1, 3], to="zero", random_sets=4, texts=40, resamples=500
)
BOTH = replace(PLAN, arms=["low", "high"])


@pytest.fixture(scope="module")
def present(tmp_path_factory) -> Planted:
    return planted_study(tmp_path_factory.mktemp("present"), present=True, speaks=True)


@pytest.fixture(scope="module")
def absent(tmp_path_factory) -> Planted:
    return planted_study(tmp_path_factory.mktemp("absent"), present=False, speaks=True)


def result(study: Planted, plan: UnlearningPlan, coders: Mapping[str, Path] | None = None) -> dict[str, Any]:
    return unlearning(
        study.subject,
        coders or study.coders,
        study.task,
        study.rows,
        plan=plan,
        probing=ProbingPlan(),
        context=CONTEXT,
    )


@pytest.fixture(scope="module")
def found(present) -> dict[str, Any]:
    return result(present, BOTH)


def on_texts(study: Planted, plan: UnlearningPlan) -> tuple[Forgetting, np.ndarray]:
    """The model that is made to forget, and the numbers of the texts."""
    texts = read_task(study.task)
    contrast = contrast_of(texts, "a", seed=42, key="label")
    tested = balanced(contrast.test, plan.texts).texts
    tokens = task_tokens(study.subject, texts.texts, context=CONTEXT).some(tested)
    return forgetting(study.subject, study.coders, study.rows, tokens, contrast, plan), tested


def test_the_planted_latent_is_forgotten_and_random_ones_are_not(found) -> None:
    assert found["sizes"]["1"]["latents"] == {"low": [LATENT], "high": [LATENT]}
    for of in found["sizes"].values():
        assert of["class"]["set"]["value"] > 0.1 and abs(of["others"]["set"]["value"]) < 0.03
        for side in ("class", "others", "selectivity"):
            assert abs(of[side]["random"]["value"]) < 0.03
        assert of["selectivity"]["gap"]["ci95"][0] > 0.1 and of["selective"]
        assert of["selectivity"]["set"]["value"] == pytest.approx(
            of["class"]["set"]["value"] - of["others"]["set"]["value"], abs=1e-5
        )
    assert [said[:36] for said in found["doubts"]] == ["Random sets could not be matched: by"]
    assert found["texts"] == {"train": 60, "test": 40}


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_put_to_its_opposite_it_is_forgotten_further(present, found, scale) -> None:
    of = result(present, replace(PLAN, sizes=[1], to="negative", scale=scale))["sizes"]["1"]
    assert of["selective"]
    assert of["others"]["set"] == {"value": 0.0, "ci95": [0.0, 0.0], "n": 20}  # where it never fires, nothing is done
    # What was likely is now less likely than chance.
    assert of["class"]["set"]["value"] > 1.5 * found["sizes"]["1"]["class"]["set"]["value"]


def test_held_at_its_mean_it_speaks_in_every_text(present) -> None:
    """Each token gets a little of what the sign says: the others are not left alone."""
    found = result(present, replace(PLAN, sizes=[1], to="mean"))
    assert found["sizes"]["1"]["others"]["set"]["ci95"][1] < -0.1
    assert any(said.startswith("The other texts are not left alone at size 1: -0.") for said in found["notes"])


def test_where_every_class_holds_the_direction_nothing_is_claimed(absent) -> None:
    found = result(absent, replace(PLAN, to="zero"))
    assert not any(of["selective"] for of in found["sizes"].values())
    assert found["doubts"]
    page = unlearning_page(found, name="x", figure="x.svg")
    assert "At no size is a forgotten beyond the side effect and beyond random sets." in page


def test_nothing_ablated_costs_nothing(present) -> None:
    model, _ = on_texts(present, BOTH)
    none = [np.array([], dtype=np.int64)] * 2
    assert np.array_equal(model.delta(none), np.zeros(40))


@pytest.mark.parametrize(("to", "scale"), [("mean", 1.0), ("zero", 1.0), ("negative", 2.5)])
def test_the_same_as_whole_passes_of_one_text_with_hooks_by_hand(present, to, scale) -> None:
    plan = replace(BOTH, to=to, scale=scale, texts=8)
    model, texts = on_texts(present, plan)
    columns = [np.array([LATENT, 3, 11]), np.array([LATENT, 50])]
    found = model.delta(columns)
    for place, number in enumerate(texts):
        clean, ablated = by_hand(present, int(number), None, plan), by_hand(present, int(number), columns, plan)
        assert model.clean()[place] == pytest.approx(clean, abs=1e-5)
        assert found[place] == pytest.approx(ablated - clean, abs=1e-5)


def by_hand(study: Planted, text: int, columns: Columns | None, plan: UnlearningPlan) -> float:
    """Nats a token of one text, by one pass of the whole model."""
    model = AutoModelForCausalLM.from_pretrained(study.subject).eval()
    content = read_task(study.task).texts[text]
    ids = task_tokens(study.subject, [content], context=CONTEXT)
    length = 1 + int(ids.counted[0].nonzero()[0].max())
    handles = []
    for arm, block, some in zip(("low", "high"), (0, 2), columns or [], strict=False):
        coder, means = Coder.load(study.coders[arm]), training_means(study, arm)

        def edit(_, __, output, coder=coder, means=means, some=some):  # type: ignore[no-untyped-def]
            rows = (output[0] if isinstance(output, tuple) else output).clone()
            for position in range(1, length):
                z = coder.dense(rows[0, position][None])[0]
                for latent in some:
                    put = {"mean": means[latent], "zero": 0.0, "negative": -plan.scale * z[latent]}[plan.to]
                    rows[0, position] += (put - z[latent]) * coder.decoder[latent]
            return (rows, *output[1:]) if isinstance(output, tuple) else rows

        handles.append(model.model.layers[block].register_forward_hook(edit))
    with torch.no_grad():
        logits = model(torch.from_numpy(ids.ids[:, :length]).long()).logits[0].double()
    targets = torch.from_numpy(ids.ids[0, 1:length]).long()
    assert ids.counted[0, 1:length].all()
    return float(-logits[:-1].log_softmax(dim=-1)[torch.arange(length - 1), targets].mean())


def training_means(study: Planted, arm: str) -> torch.Tensor:
    """Of every latent; they have a slow twin of their own, in test_faithful."""
    texts = contrast_of(read_task(study.task), "a", seed=42, key="label").train.texts
    return token_means(Coder.load(study.coders[arm]), study.rows, texts).latents


def test_texts_are_run_in_batches_that_do_not_matter(present) -> None:
    model, texts = on_texts(present, PLAN)
    tokens = task_tokens(present.subject, read_task(present.task).texts, context=CONTEXT).some(texts)
    few = runs.Runs(model.runs._model, tokens, model.runs._outcome, block=0, at_once=3)
    assert np.allclose(few.clean.numpy(), model.clean(), atol=1e-6)
    assert sequences_at_once(model.runs._model, CONTEXT) == (256 << 20) // (4 * 259 * CONTEXT)
    assert sequences_at_once(model.runs._model, 1 << 30) == 1


def test_latents_that_never_fire_are_said(present, tmp_path) -> None:
    dead = altered(tmp_path / "low", present.coders["low"], lambda weights: weights["encoder.bias"].fill_(-1e6))
    found = result(present, PLAN, {"low": dead})
    assert found["doubts"] == ["No latent is stronger in training texts of a than in the others: nothing is ablated."]
    assert found["notes"] == [
        "Fewer latents than that are stronger in the class: the set holds 0 of 1 at size 1; 0 of 3 at size 3."
    ]
    for of in found["sizes"].values():
        assert of["held"] == of["silent"] == 0 and of["latents"] == {"low": []} and not of["selective"]
        for side in ("class", "others", "selectivity"):
            assert of[side]["set"]["value"] == of[side]["random"]["value"] == 0
            assert of[side]["set"]["ci95"] == [0, 0]
    json.dumps(found, allow_nan=False)
    draw_unlearning(found, svg=tmp_path / "svg")
    assert "- low: none" in unlearning_page(found, name="x", figure="x.svg")


def test_a_set_that_is_silent_in_the_test_texts_is_said(found) -> None:
    silent = {size: of | {"silent": of["held"]} for size, of in found["sizes"].items()}
    said = {"mean": "their means are put there, no more.", "zero": "nothing is ablated there."}
    for to, end in said.items():
        changed = found | {"sizes": silent, "plan": found["plan"] | {"to": to}}
        assert f"No latent of the set fires in a test text at size 1, 3: {end}" in doubts(changed)
    assert "Latents of the set that fire in no test text: 2 of 2 at size 1; 6 of 6 at size 3." in notes(changed)


POSITIVE = np.arange(60) % 2 == 0


def of_deltas(cost: float, beside: float, random: float, random_beside: float) -> dict[str, Any]:
    """A result of one size in which sets cost the class and the others so much, with noise that is no one's own."""
    rng = np.random.default_rng(0)
    plan = replace(PLAN, sizes=[5])

    def delta(mine: float, others: float) -> np.ndarray:
        return np.where(POSITIVE, mine, others) + rng.normal(scale=0.05, size=60)

    each = {"set 5": delta(cost, beside)} | {f"random 5 {i}": delta(random, random_beside) for i in range(4)}
    result = effects(each, rng.normal(3.0, 0.1, size=60), POSITIVE, plan)
    result["sizes"]["5"] |= {"held": 5, "silent": 0, "rate_mismatch": 0.0}
    return result | {"plan": {"label": "a", "to": "zero", "arms": ["low"]}, "texts": {"test": 60}}


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ((1.0, 0.2, 0.1, 0.1), None),
        ((0.0, 0.0, 0.0, 0.0), "The model does not predict texts of a worse at size 5: "),
        ((-1.0, -2.0, 0.0, 0.0), "The model does not predict texts of a worse at size 5: -1"),
        ((0.5, 0.5, 0.0, 0.0), "The side effect on the others is as large as the effect at size 5: "),
        ((0.5, 0.1, 0.5, 0.1), "A random set forgets as much at size 5: "),
    ],
)
def test_each_reason_to_claim_nothing_is_said_once(costs: tuple[float, ...], said: str | None) -> None:
    result = of_deltas(*costs)
    one = result["sizes"]["5"]
    assert one["class"]["set"]["value"] == pytest.approx(costs[0], abs=0.04)
    assert one["others"]["gap"]["value"] == pytest.approx(costs[1] - costs[3], abs=0.04)
    assert one["selectivity"]["set"]["value"] == pytest.approx(costs[0] - costs[1], abs=0.06)
    assert [one[side]["set"]["n"] for side in ("class", "others", "selectivity")] == [30, 30, 60]
    assert result["clean"]["class"]["value"] == pytest.approx(3, abs=0.1)
    assert one["selective"] is (said is None)
    assert any(one.startswith("The other texts are not left alone") for one in notes(result)) is (costs[1] != 0)
    assert len(doubts(result)) == (said is not None) and all(one.startswith(said) for one in doubts(result))


def test_few_texts_are_said() -> None:
    assert doubts(of_deltas(1, 0, 0, 0) | {"texts": {"test": 12}})[0].startswith("There are 12 test texts")


def test_an_ablation_that_does_not_put_back_what_was_there_stops_the_job(present, monkeypatch) -> None:
    real = runs.resumed

    @contextlib.contextmanager
    def other(model: Any, block: int, entered: torch.Tensor) -> Any:
        with real(model, block, entered.roll(1, dims=0)):
            yield

    monkeypatch.setattr(runs, "resumed", other)
    with pytest.raises(
        SparringError, match=r"unlearning: with nothing ablated a text costs .* nats a token more or less"
    ):
        result(present, replace(PLAN, arms=["high"]))


def test_a_class_that_is_not_there_and_too_few_latents(present) -> None:
    with pytest.raises(SparringError, match=r"unlearning.label: no class 'z'; the task has a, b, c"):
        result(present, replace(PLAN, label="z"))
    with pytest.raises(SparringError, match=r"unlearning.sizes: 40 of 64 latents leave too few for a random set"):
        result(present, replace(PLAN, sizes=[40]))


def test_same_result_same_page_and_figure(found, tmp_path) -> None:
    json.dumps(found, allow_nan=False)
    for name in ("one", "two"):
        draw_unlearning(found, svg=tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    page = unlearning_page(found, name="x", figure="x.svg")
    assert found["doubts"][0] in page and "![Delta CE" in page
    assert "**a is forgotten beyond the side effect, and beyond random sets, at size 1 (" in page


@dataclass(frozen=True)
class OneFile(RunInputs):
    """A run's inputs of which one result is asked for."""

    path: Path = Path()

    def file(self, kind: str, arm: str = "") -> Path:
        assert kind == "unlearning"
        return self.path


def test_a_run_reports_it(found, tmp_path) -> None:
    (tmp_path / "result.json").write_text(json.dumps(found))
    inputs = OneFile(cast(Any, None), {}, tmp_path / "result.json")
    reported = labelled.unlearning(inputs, "low", TestPlan(resamples=100, seed=0))
    assert reported.figures["selectivity_gap3"] == found["sizes"]["3"]["selectivity"]["gap"]
    assert reported.doubts == found["doubts"] and len(reported.figures) == 12


def test_its_spec_holds_the_plan_and_a_recorded_result_is_found_again() -> None:
    study = read_study(yaml.safe_load((ROOT / "config/studies/controls.yaml").read_text()))
    spec = Specs(study, ROOT).unlearning("sports")
    assert UnlearningPlan(**spec["plan"]) == study.unlearning["sports"] and spec["context"] == 64
    assert _planned(Specs(study, ROOT), "unlearning", {"unlearning": "sports"}) == spec
    assert _planned(Specs(study, ROOT), "unlearning", {"unlearning": "gone"}) is None


def test_a_skip_transcoder_between_its_two_sites(tmp_path) -> None:
    subject, task, rows = tiny_task_rows(tmp_path, TRANSCODER.sites)
    (tmp_path / "coder").mkdir()
    coder = save_coder(random_coder(TRANSCODER), TRANSCODER, tmp_path / "coder")
    plan = replace(PLAN, label="rain", to="negative")
    found = unlearning(subject, {"low": coder}, task, rows, plan=plan, probing=ProbingPlan(), context=48)
    assert found["texts"]["test"] == 12 and found["doubts"][0].startswith("There are 12 test texts")
    assert found["sizes"]["3"]["class"]["set"]["value"] != 0
