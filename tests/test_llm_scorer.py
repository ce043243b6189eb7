"""A language model as a scorer, on planted latents: a reader scores right, and each kind of bad reader is found out."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from autointerp_data import GROUPS, WordText, planted
from headtohead_data import hashed, two_arms
from llm_data import ByRule, yes_if

from sparring.autointerp.asked import EMPTY
from sparring.autointerp.examples import Protocol, draw_examples
from sparring.autointerp.explain import Explainer
from sparring.autointerp.plan import EXPLANATIONS, METRICS, AskPlan, DrawPlan, ExplainPlan
from sparring.autointerp.prompts import NOTHING, marked, one_text, several_texts, shown
from sparring.autointerp.scorers.llm import LlmScorer, read_bits, read_yes
from sparring.autointerp.stage import Arm, score_arm
from sparring.errors import SparringError
from sparring.headtohead import head_to_head
from sparring.limits import instrument_limits
from sparring.llm.answers import Asker
from sparring.llm.engine import Answer, Question
from sparring.stats.auroc import auroc
from sparring.testplan import TestPlan

PLAN = DrawPlan(latents=4, strata=1, positives=12, negatives=12)
Rule = Callable[[Question], Answer | None]


def read(said: str) -> tuple[set[str], str]:
    """The words that a question lists, and its text."""
    before, _, after = said.rpartition("Text: ")
    text, _, asked = after.partition("\n")
    about = asked if "Does the text hold" in asked else before.partition("For example")[0]
    return set(re.findall(r'"([^"]+)"', about)), text


def fits(said: str) -> bool:
    """Reads a question as a good scorer does: a listed word in the text, or as every marked word."""
    listed, text = read(said)
    marks = re.findall(r"<<(.*?)>>", text)
    fuzz = "marked words" in said or "<<" in said.rpartition("\n\n")[2]
    return bool(listed & {word for run in (marks if fuzz else text.split()) for word in run.split()})


READER = yes_if(fits)


@pytest.fixture(scope="module")
def arm() -> tuple[Arm, WordText]:
    cache, words = planted()
    protocol, text = Protocol.of(cache, PLAN), WordText(words)
    examples = {latent: draw_examples(protocol, latent) for latent in range(len(GROUPS))}
    pools = {"real": protocol.pools.explainer, "oracle": protocol.pools.scorer}
    made = {
        kind: {str(i): Explainer(protocol, pool, text, ExplainPlan()).explain(i) for i in examples}
        for kind, pool in pools.items()
    }
    drawn = {"latents": list(examples), "fates": {str(i): "drawn" for i in examples}, "population": {"eligible": 4}}
    return Arm("sae", hashed(drawn), protocol, examples, made), text


def judged(arm: tuple[Arm, WordText], rule: Rule, folder: Path, *, name: str = "sae", **plan: Any) -> tuple[Any, Any]:
    """(meta, rows) of the score stage by `rule`."""
    ask = AskPlan(**plan)
    scorer = LlmScorer(arm[0].protocol, arm[1], Asker(ByRule(rule), folder / "answers"), ask)
    (folder / name).mkdir(parents=True, exist_ok=True)
    given = {"metrics": ask.metrics, "kinds": ask.explanations, "seed": ask.seed, "checked": ask.checked}
    meta = score_arm(replace(arm[0], name=name), scorer, out=folder / name, **given)
    return meta, pq.read_table(folder / name / "scores.parquet").to_pylist()


def mean_auroc(rows: list[dict[str, Any]], metric: str, kind: str) -> float:
    found = []
    for latent in {row["latent"] for row in rows}:
        mine = [r for r in rows if (r["metric"], r["explanation"], r["latent"]) == (metric, kind, latent)]
        if mine:
            found.append(auroc([r["label"] for r in mine], [r["score"] for r in mine]).value)
    return float(np.mean(found))


@pytest.mark.parametrize("form", ["yes/no", "list"])
def test_a_reader_tells_right_explanations_from_wrong_ones(arm: Any, tmp_path: Path, form: str) -> None:
    meta, rows = judged(arm, READER, tmp_path, form=form)
    for metric in METRICS:
        assert mean_auroc(rows, metric, "real") > 0.9
        assert mean_auroc(rows, metric, "oracle") > 0.9
        assert 0.3 < mean_auroc(rows, metric, "shuffled") < 0.7
        assert mean_auroc(rows, metric, "empty") == 0.5
    assert meta["canary"]["auroc"] == 1.0
    assert meta["parse_rate"] == 1.0
    assert {row["explanation"] for row in rows} == {*EXPLANATIONS, "bag of words"}
    assert meta["scorer"]["weights"] == "w" and form.split("/")[0] in meta["scorer"]["name"].lower()


def test_both_forms_say_the_same_of_each_example(arm: Any, tmp_path: Path) -> None:
    _, one = judged(arm, READER, tmp_path / "a")
    _, lists = judged(arm, READER, tmp_path / "b", form="list", listed=7)
    key = ("metric", "explanation", "latent", "example", "label", "document", "start")
    assert [[row[name] for name in key] for row in one] == [[row[name] for name in key] for row in lists]
    assert [row["score"] > 0 for row in one] == [row["score"] > 0 for row in lists]


def test_controls_are_judged_on_as_many_latents_as_asked(arm: Any, tmp_path: Path) -> None:
    _, rows = judged(arm, READER, tmp_path, checked=2)
    latents = {kind: {row["latent"] for row in rows if row["explanation"] == kind} for kind in EXPLANATIONS}
    assert len(latents["real"]) == 4
    assert len(latents["shuffled"]) == 2 and latents["shuffled"] == latents["empty"] == latents["oracle"]


def test_a_second_run_asks_only_the_canary_again(arm: Any, tmp_path: Path) -> None:
    _, rows = judged(arm, READER, tmp_path)
    engine = ByRule(READER)
    scorer = LlmScorer(arm[0].protocol, arm[1], Asker(engine, tmp_path / "answers"), AskPlan())
    score_arm(arm[0], scorer, metrics=METRICS, kinds=EXPLANATIONS, seed=0, out=tmp_path)
    assert len(engine.asked) == 100
    assert pq.read_table(tmp_path / "scores.parquet").to_pylist() == rows


# Planted faults, up to the verdict


def verdict(arm: Any, first: Rule, second: Rule, folder: Path, **plan: Any) -> dict[str, Any]:
    simulated = two_arms(folder / "simulated")
    inputs = {}
    for name, rule in (("sae", first), ("transcoder", second)):
        meta, _ = judged(arm, rule, folder, name=name, **plan)
        scores = folder / name / "scores.parquet"
        inputs[name] = replace(simulated[name], scores=scores, score_meta=meta, draw=arm[0].draw, firing=None)
    return head_to_head(arms=inputs, order=("sae", "transcoder"), plan=TestPlan(resamples=200), provenance={})


def only_marks(said: str) -> bool:
    """Reads nothing but where the first mark stands."""
    text = read(said)[1]
    return "<<" in text and text.index("<<") > len(text) // 2


FAULTS: dict[str, tuple[Rule, str]] = {
    "always yes": (yes_if(lambda _: True), "The scorer fails the canary for sae: AUROC 0.50"),
    "only mark positions": (yes_if(only_marks), "Oracle explanations are not scored above shuffled ones in fuzz"),
    "unreadable": (
        lambda question: READER(question) if int(question.digest, 16) % 10 > 2 else Answer("Well", {"Well": -0.1}),
        "answers for sae could be read, at least 90% are needed",
    ),
}


def limits(result: dict[str, Any]) -> str:
    return " ".join(limit for metric in METRICS for limit in instrument_limits(result, metric))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_reader_is_named(arm: Any, tmp_path: Path, fault: str) -> None:
    rule, said = FAULTS[fault]
    result = verdict(arm, rule, rule, tmp_path)
    assert result["verdict"] == "limited by the instrument"
    assert said in limits(result)


def test_a_good_reader_meets_none_of_these(arm: Any, tmp_path: Path) -> None:
    found = limits(verdict(arm, READER, READER, tmp_path))
    assert not any(said in found for _, said in FAULTS.values())


def test_a_reader_swapped_in_the_middle_of_a_run_stops_it(arm: Any, tmp_path: Path) -> None:
    asked: list[Question] = []

    def swapped(question: Question) -> Answer:
        asked.append(question)
        return (READER if len(asked) <= 300 else yes_if(fits, sure=5.0))(question)

    with pytest.raises(SparringError, match="answers otherwise than when its kept answers were made"):
        judged(arm, swapped, tmp_path)
    assert len(asked) > 300


# What is asked, and how answers are read


def test_yes_and_no_are_summed_over_the_ways_to_write_them() -> None:
    first = {"Yes": np.log(0.3), " yes": np.log(0.1), "No": np.log(0.2), "The": np.log(0.05)}
    assert read_yes(Answer("Yes", first)) == pytest.approx(np.log(0.4 / 0.2))
    assert read_yes(Answer("Yes", {"Yes": -0.1, "The": -7.0})) == pytest.approx(6.9)
    assert np.isnan(read_yes(Answer("The", {"The": -0.1})))
    assert np.isnan(read_yes(None))


@pytest.mark.parametrize("text", ["", "[1, 0]", "[1, 0, 2]", '["1", "0", "1"]', "[true, false, true]", "[1, 0, 1", "3"])
def test_what_is_no_list_of_bits_is_unreadable(text: str) -> None:
    assert np.isnan(read_bits(Answer(text), 3)).all()
    assert read_bits(Answer("[1, 0, 1]"), 3) == [1.0, 0.0, 1.0]


def test_marks_stand_around_words_and_not_around_the_space_before_them() -> None:
    text, cut = " a big dog ran", np.array([0, 2, 6, 10, 14])
    assert marked(text, cut, np.array([False, True, True, False])) == " a <<big dog>> ran"
    assert marked(text, cut, np.array([True, False, False, True])) == " <<a>> big dog <<ran>>"
    assert marked(text, cut, np.zeros(4, dtype=bool)) == text


def test_an_explanation_is_shown_in_short_and_none_as_none() -> None:
    listed = {"tokens": [[" a", 1.0], [" b", 0.5]], "contexts": [{"left": "x\ny", "token": " a"}] * 2, "text": "long"}
    assert shown(listed, tokens=1, contexts=1) == 'It fires on: "a"\nFor example:\n- x y <<a>>'
    assert shown({"tokens": [], "contexts": [], "text": "names of days"}, tokens=5, contexts=5) == "names of days"
    assert shown(EMPTY, tokens=5, contexts=5) == NOTHING
    assert NOTHING in several_texts(NOTHING, ["a"], "fuzz")[1][1]
    assert all(NOTHING in one_text(EMPTY, "a <<b>>", metric, tokens=5, contexts=5)[1][1] for metric in METRICS)


def test_a_question_lists_the_words_sought_after_the_text_and_names_the_marked_ones() -> None:
    listed = {"tokens": [[" a", 1.0], [" b", 0.5]], "contexts": [], "text": ""}
    text = "x <<y>>\n<<z>> <<y>>"
    detection, fuzz = (one_text(listed, text, metric, tokens=2, contexts=0)[1][1] for metric in METRICS)
    assert detection.endswith('these words, or one like them: "a", "b"?')
    assert fuzz.startswith('It fires on: "a", "b"\n\nText: x <<y>> <<z>> <<y>>\nMarked words: "y", "z"\n')


def test_an_explanation_that_was_not_written_leaves_its_latent_unreadable(arm: Any, tmp_path: Path) -> None:
    silent = {"text": "", "tokens": [], "contexts": []}
    made = {"real": {**arm[0].made["real"], "2": silent}, "oracle": arm[0].made["oracle"]}
    meta, rows = judged((replace(arm[0], made=made), arm[1]), READER, tmp_path, explanations=("real",))
    mine = [row["score"] for row in rows if row["latent"] == 2 and row["explanation"] == "real"]
    assert len(mine) == 48 and np.isnan(mine).all()
    assert meta["fates"] == {"scored": 3, "unreadable": 1}
