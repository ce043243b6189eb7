"""The verdict: each branch, and each planted fault caught by the gate or the check that names it."""

import copy
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from headtohead_data import SCORER, Simulated, hashed, two_arms

from sparring.canonical import digest, pretty_json
from sparring.headtohead import head_to_head
from sparring.testplan import TestPlan
from sparring.verdict import LIMITED, NOT_COMPARABLE, UNDECIDED, decide, sentence

PLAN = TestPlan(resamples=1000)


def run(arms, plan=PLAN):
    return head_to_head(arms=arms, order=("sae", "transcoder"), plan=plan, provenance={})


def rewrite(arm, change):
    """The arm with its scores changed by `change(table) -> table`, in a file of its own."""
    path = arm.scores.with_name(f"{arm.scores.stem}.changed.parquet")
    pq.write_table(change(pq.read_table(arm.scores)), path)
    return replace(arm, scores=path)


def with_column(table, name, values):
    return table.set_column(table.schema.get_field_index(name), name, pa.array(values, table.schema.field(name).type))


def with_meta(arms, name, **meta):
    return arms | {name: replace(arms[name], score_meta={**arms[name].score_meta, **meta})}


@pytest.fixture(scope="module")
def ahead(tmp_path_factory):
    """Two arms whose transcoder is ahead, judged by a sound instrument."""
    return two_arms(tmp_path_factory.mktemp("ahead"))


@pytest.fixture(scope="module")
def decided(ahead):
    return run(ahead)


# The four ways it can end


def test_the_higher_arm_wins(decided):
    assert decided["verdict"] == "transcoder"
    assert decided["reasons"][0].startswith("Detection: transcoder 0.686 against sae 0.606, difference +0.080")
    assert decided["reasons"][-1].endswith("Only detection separates the arms.")  # fuzz: its p is 0.057
    assert changed(decided, "fuzz", **SURE).reasons[-1].endswith("It agrees with detection.")
    assert sentence(decided).startswith("The latents of transcoder are better explained than those of sae: detection")


def test_the_first_arm_can_win_too(tmp_path):
    arms = two_arms(tmp_path, sae=Simulated(mean=0.75, oracle=0.85), transcoder=Simulated(mean=0.62))
    assert run(arms)["verdict"] == "sae"


def test_no_difference_is_undecided_with_the_effect_that_could_be_found(tmp_path):
    result = run(two_arms(tmp_path, sae=Simulated(mean=0.68), transcoder=Simulated(mean=0.68)))
    assert result["verdict"] == UNDECIDED
    assert any("would have been found with 80% power" in reason for reason in result["reasons"])
    assert f"{result['metrics']['detection']['mde']:.3f}" in sentence(result)


def test_the_published_3b_scorer_was_limited_and_the_7b_was_not(tmp_path):
    """Means, spreads and numbers of latents of ai-g2-{sae,tc}{,-7b}; reliability 0.12-0.34 and 0.70-0.77
    (methods.md)."""
    common = {"shuffled": 0.5, "oracle": 0.7}
    small = run(
        two_arms(
            tmp_path / "3b",
            sae=Simulated(mean=0.540, sd=0.03, n=58, examples=25, **common),
            transcoder=Simulated(mean=0.539, sd=0.03, n=61, examples=25, **common),
        )
    )
    assert small["verdict"] == LIMITED
    assert "mostly sampling noise" in small["reasons"][0]
    large = run(
        two_arms(
            tmp_path / "7b",
            sae=Simulated(mean=0.6072, sd=0.09, n=58, examples=60, seed=3, **common),
            transcoder=Simulated(mean=0.6602, sd=0.09, n=60, examples=60, seed=3, **common),
        )
    )
    assert large["instrument"]["reliability"]["detection"]["pooled"] == pytest.approx(0.74, abs=0.08)
    assert large["metrics"]["detection"]["mde"] == pytest.approx(0.052, abs=0.006)
    assert large["verdict"] == "transcoder"


def test_anyone_can_decide_again_from_the_file(decided):
    again = decide(json.loads(pretty_json(decided)))
    assert (again.verdict, list(again.reasons)) == (decided["verdict"], decided["reasons"])


# Not comparable: a gate of the comparison failed


def failed(result):
    assert result["verdict"] == NOT_COMPARABLE
    assert sentence(result).startswith("No verdict, not comparable: ")
    return [gate["name"] for gate in result["gates"] if not gate["passed"]]


def test_arms_that_write_different_sites_undeclared(tmp_path):
    arms = two_arms(tmp_path, sae=Simulated(mean=0.62, write_site="layers.9.resid_post"))
    assert failed(run(arms)) == ["same write site"]
    assert run(arms, replace(PLAN, sites_may_differ=True))["verdict"] == "transcoder"


def test_arms_scored_on_different_rows(ahead):
    assert failed(run(ahead | {"sae": replace(ahead["sae"], rows="other")})) == ["same evaluation rows"]


def redrawn(arm, latents):
    return replace(arm, draw=hashed({**arm.draw, "latents": latents}))


def test_latents_drawn_again_after_scoring(ahead):
    sae = redrawn(ahead["sae"], [2047, *ahead["sae"].draw["latents"][1:]])  # hashed anew: only the scores betray it
    assert failed(run(ahead | {"sae": sae})) == ["scored as drawn"]
    told = with_meta(ahead, "sae", draw_digest="0" * 64)
    assert failed(run(told)) == ["same draw of latents"]


def test_arms_drawn_by_two_plans_or_from_two_splits(ahead):
    for part in ("plan", "pools"):
        draw = hashed(dict(ahead["sae"].draw)) | {part: {"latents": 61, "seed": 0}}
        draw["digest"] = digest({"latents": draw["latents"], "plan": draw["plan"]})
        assert failed(run(ahead | {"sae": replace(ahead["sae"], draw=draw)})) == ["same draw of latents"]


def test_a_list_changed_under_its_digest(ahead):
    draw = {**ahead["sae"].draw, "latents": ahead["sae"].draw["latents"][:-1]}
    assert failed(run(ahead | {"sae": replace(ahead["sae"], draw=draw)})) == ["draw as hashed", "scored as drawn"]


def test_a_drawn_latent_that_vanished_without_a_row(ahead):
    first = ahead["sae"].draw["latents"][0]
    arms = ahead | {"sae": rewrite(ahead["sae"], lambda t: t.filter(pc.not_equal(t["latent"], first)))}
    result = run(arms)
    assert failed(result) == ["scored as drawn"]
    assert f"sae: {first} drawn but without a row" in result["reasons"][0]


def test_one_latent_fifty_times(ahead):
    latents = ahead["transcoder"].draw["latents"]
    repeated = redrawn(ahead["transcoder"], latents + [latents[0]] * 50)
    assert failed(run(ahead | {"transcoder": repeated})) == ["each latent drawn once"]

    def copied(table):
        return pa.concat_tables([table, *[table.filter(pc.equal(table["latent"], latents[0]))] * 50])

    assert failed(run(ahead | {"transcoder": rewrite(ahead["transcoder"], copied)})) == ["no example counted twice"]


def test_two_scorers(ahead):
    swapped = with_meta(ahead, "transcoder", scorer={**SCORER, "weights": "0" * 64})
    assert failed(run(swapped)) == ["same scorer"]


def test_a_scorer_swapped_between_the_arms_under_its_old_name(ahead):
    answers = {"items": 4, "auroc": 0.97, "scores": [0.9, 0.8, 0.1, 0.4], "tolerance": 1e-3}
    result = run(with_meta(ahead, "transcoder", canary=answers))
    assert failed(result) == ["same answers to the canary"]
    assert "1 of 4 answers differ" in result["reasons"][0]
    unread = answers | {"scores": [0.9, 0.8, None, 0.2]}
    assert failed(run(with_meta(ahead, "transcoder", canary=unread))) == ["same answers to the canary"]
    within = answers | {"scores": [0.9, 0.8, 0.1, 0.2004]}  # the last bits depend on the number of cores
    assert run(with_meta(ahead, "transcoder", canary=within))["verdict"] == "transcoder"


def test_documents_leaked_from_explainer_to_scorer(ahead):
    leaked = with_meta(ahead, "sae", gates={"documents shared by explainer and scorer": 3})
    assert failed(run(leaked)) == ["sae: documents shared by explainer and scorer"]


# Limited by the instrument: it cannot tell a right explanation from a wrong one


def limited(result, words):
    assert result["verdict"] == LIMITED
    assert sentence(result).startswith("No verdict, limited by the instrument: ")
    assert any(words in reason for reason in result["reasons"]), result["reasons"]


def test_shuffled_labels(ahead):
    rng = np.random.default_rng(0)
    arms = {
        name: rewrite(arm, lambda t: with_column(t, "label", rng.permutation(t["label"].to_numpy())))
        for name, arm in ahead.items()
    }
    result = run(arms)
    limited(result, "Oracle explanations are not scored above shuffled ones in detection")
    limited(result, "mostly sampling noise")


def test_a_scorer_that_always_says_yes(ahead):
    arms = {name: rewrite(arm, lambda t: with_column(t, "score", np.ones(t.num_rows))) for name, arm in ahead.items()}
    limited(run(arms), "reliability 0.00")


def test_a_scorer_that_fails_plain_questions(ahead):
    dead = {"items": 4, "auroc": 0.5, "scores": [0.9, 0.8, 0.1, 0.2], "tolerance": 1e-3}
    limited(run(with_meta(with_meta(ahead, "sae", canary=dead), "transcoder", canary=dead)), "fails the canary for sae")
    unread = dead | {"auroc": None}
    limited(run(with_meta(ahead, "sae", canary=unread)), "AUROC unknown on plain questions")


def test_thirty_percent_unreadable_answers(tmp_path):
    result = run(two_arms(tmp_path, sae=Simulated(mean=0.62, unreadable=0.3)))
    limited(result, "of the detection answers for sae could be read")


def test_examples_that_can_be_told_apart_without_an_explanation(tmp_path):
    result = run(two_arms(tmp_path, transcoder=Simulated(shuffled=0.62, oracle=0.84)))
    limited(result, "for transcoder, outside 0.45 to 0.55")


def test_explanations_worth_no_more_than_shuffled_ones(tmp_path):
    # The oracle is fine and the latents differ, but around their floor: the explainer says nothing.
    arms = two_arms(tmp_path, sae=Simulated(mean=0.5, oracle=0.84), transcoder=Simulated(mean=0.5, oracle=0.84))
    limited(run(arms), "they explain nothing here")


def test_constant_marks_spoil_fuzz_and_only_fuzz(ahead):
    told = with_meta(ahead, "transcoder", tell_auroc=0.83)
    result = run(told)
    assert result["verdict"] == "transcoder"
    assert "It confirms nothing: a rule that sees only where the marks stand" in result["reasons"][-1]
    limited(run(told, replace(PLAN, primary="fuzz")), "AUROC 0.830")


def test_without_an_oracle_nothing_is_decided(ahead):
    arms = {
        name: rewrite(arm, lambda t: t.filter(pc.not_equal(t["explanation"], "oracle"))) for name, arm in ahead.items()
    }
    limited(run(arms), "no floor or no ceiling")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("reliability", "detection", "pooled"), 0.4999, "reliability 0.50, at least 0.5"),
        (("reliability", "detection", "pooled"), None, "reliability unknown"),
        (("ceiling", "detection", "pooled", "mean"), 0.52, "less room between floor and ceiling (0.024)"),
        (("margin", "detection", "pooled", "ci95"), [0.0, 0.1], "Oracle explanations are not scored above"),
        (("floor", "detection", "sae"), {"mean": 0.4499, "ci95": [0.43, 0.47]}, "Shuffled explanations score 0.450"),
        (("floor", "detection", "sae"), {"mean": 0.5501, "ci95": [0.53, 0.57]}, "Shuffled explanations score 0.550"),
        (("empty", "detection", "sae"), {"mean": 0.56, "ci95": [0.53, 0.59]}, "No explanation at all scores 0.560"),
        (("parse_rate", "detection", "sae"), 0.8999, "of the detection answers for sae"),
    ],
)
def test_each_limit_alone_is_enough(decided, path, value, words):
    result = copy.deepcopy(decided)
    *parents, last = path
    entry = result["instrument"]
    for key in parents:
        entry = entry[key]
    entry[last] = value
    verdict = decide(result)
    assert verdict.verdict == LIMITED
    assert words in verdict.reasons[0]


def test_a_floor_known_from_few_latents_alone_limits_nothing(decided):
    result = copy.deepcopy(decided)
    result["instrument"]["floor"]["detection"]["sae"] = {"mean": 0.57, "ci95": [0.48, 0.66], "n": 6}
    assert decide(result).verdict == decided["verdict"]


# What is said beside it


SURE = {"ci95": [0.01, 0.08], "ci95_bca": [0.01, 0.08], "ci95_expanded": [0.01, 0.08], "p": 0.01}


def changed(decided, metric, **figures):
    result = copy.deepcopy(decided)
    result["metrics"][metric] |= figures
    return decide(result)


def test_the_other_metric_is_held_beside_it(decided):
    against = changed(decided, "fuzz", diff=-0.05, ci95=[-0.09, -0.01], ci95_bca=[-0.09, -0.01], p=0.01)
    assert against.verdict == "transcoder"
    assert against.reasons[-1].endswith("It contradicts detection.")
    silent = changed(decided, "fuzz", ci95=[-0.09, 0.01])
    assert silent.reasons[-1].endswith("Only detection separates the arms.")
    alone = copy.deepcopy(decided)
    alone["metrics"]["detection"] |= {"ci95": [-0.01, 0.09]}
    alone = changed(alone, "fuzz", **SURE)
    assert alone.verdict == UNDECIDED
    assert alone.reasons[-1].endswith("Only fuzz separates the arms.")


def test_a_borderline_difference_is_called_so(decided):
    borderline = changed(decided, "detection", ci95=[0.001, 0.08], ci95_bca=[-0.001, 0.08], p=0.051)
    assert borderline.verdict == UNDECIDED
    assert "Borderline: the BCa interval [-0.001, +0.080] includes 0 and the permutation p is 0.051" in " ".join(
        borderline.reasons
    )
    for doubt in ({"ci95_bca": [-0.001, 0.08]}, {"ci95_expanded": [-0.001, 0.08]}, {"p": 0.05}):
        assert changed(decided, "detection", **doubt).verdict == UNDECIDED
    assert changed(decided, "detection", ci95_bca=None).verdict == "transcoder"


def test_with_several_seeds_of_the_coders_they_have_to_agree(ahead, tmp_path):
    def over(transcoder):
        further = {
            "sae": {"sae_seed1": two_arms(tmp_path / "a", sae=Simulated(mean=0.62, seed=1))["sae"]},
            "transcoder": {
                "transcoder_seed1": two_arms(tmp_path / transcoder[0], transcoder=transcoder[1])["transcoder"]
            },
        }
        order = ("sae", "transcoder")
        return head_to_head(arms=ahead, order=order, plan=PLAN, provenance={}, further=further)

    alike = over(("b", Simulated(mean=0.70, oracle=0.84, seed=1)))
    found = alike["metrics"]["detection"]["coder_seeds"]
    assert found["n"] == 2 and found["ci95"][0] > 0
    assert alike["verdict"] == "transcoder"
    unlike = over(("c", Simulated(mean=0.55, oracle=0.84, seed=1)))
    assert unlike["verdict"] == UNDECIDED
    assert "over 2 seeds of the coders the interval" in " ".join(unlike["reasons"])
    swapped = over(("d", Simulated(mean=0.70, oracle=0.84, seed=1, meta={"scorer": {**SCORER, "weights": "0" * 64}})))
    assert failed(swapped) == ["same scorer"]


def test_an_arm_that_is_only_easier_to_score_is_called_so(decided):
    result = copy.deepcopy(decided)
    assert any(
        r.startswith("Of the way from its floor to its own ceiling transcoder goes 57%") for r in result["reasons"]
    )
    result["instrument"]["normalised"]["detection"] = {"sae": 0.8, "transcoder": 0.6}
    assert any(reason.endswith("the order is the other way round.") for reason in decide(result).reasons)


def test_a_failed_gate_comes_before_a_weak_instrument(decided):
    result = copy.deepcopy(decided)
    result["instrument"]["reliability"]["detection"]["pooled"] = 0.1
    result["gates"][0] |= {"passed": False}
    assert decide(result).verdict == NOT_COMPARABLE
