"""From two score stages to one result: its keys, its figures against the obvious computation, and its bytes."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from headtohead_data import SCORER, Simulated, two_arms
from sklearn.metrics import roc_auc_score

from sparring.canonical import pretty_json
from sparring.errors import SparringError
from sparring.headtohead import head_to_head
from sparring.perlatent import read_scores
from sparring.testplan import TestPlan

ORDER = ("sae", "transcoder")
PLAN = TestPlan(resamples=500)


def run(arms, plan=PLAN, order=ORDER):
    return head_to_head(arms=arms, order=order, plan=plan, provenance={"spec": "ab" * 32, "lr": 1e-9})


def rewrite(arm, change):
    """The arm with its scores changed by `change(table) -> table`, in a file of its own."""
    path = arm.scores.with_name(f"{arm.scores.stem}.changed.parquet")
    pq.write_table(change(pq.read_table(arm.scores)), path)
    return replace(arm, scores=path)


def obvious_means(path, metric, kind="real"):
    """Each latent's AUROC by scikit-learn, then the mean."""
    frame = pq.read_table(path).to_pandas()
    frame = frame[(frame.metric == metric) & (frame.explanation == kind)]
    return frame.groupby("latent")[["label", "score"]].apply(lambda g: roc_auc_score(g.label, g.score))


def test_has_the_keys_of_the_design(tmp_path):
    result = run(two_arms(tmp_path))
    assert set(result) >= {"arms", "metrics", "instrument", "latents", "verdict", "reasons", "provenance"}
    for arm in result["arms"].values():
        assert set(arm) >= {"kind", "read_site", "write_site", "n_latents", "digest", "ve", "affine_floor", "l0"}
    assert set(result["metrics"]) == {"detection", "fuzz"}
    for found in result["metrics"].values():
        assert set(found) >= {"means", "diff", "ci95", "p", "n", "mde", "method", "seed", "resamples"}
    check = {"scorer", "floor", "ceiling", "reliability", "parse_rate", "tell_auroc", "margin", "normalised"}
    assert set(result["instrument"]) >= check
    assert result["instrument"]["scorer"] == SCORER
    assert result["provenance"] == {"spec": "ab" * 32, "lr": 1e-9}


def test_figures_are_those_of_the_obvious_computation(tmp_path):
    arms = two_arms(tmp_path, sae=Simulated(mean=0.6, n=30), transcoder=Simulated(n=40))
    result = run(arms)
    for metric, found in result["metrics"].items():
        sae, transcoder = (obvious_means(arms[name].scores, metric) for name in ORDER)
        assert found["diff_is"] == "transcoder - sae"
        assert found["means"]["sae"] == pytest.approx(sae.mean(), abs=1e-6)
        assert found["diff"] == pytest.approx(transcoder.mean() - sae.mean(), abs=1e-6)
        assert found["n"] == {"sae": 30, "transcoder": 40}
        assert found["sd"]["transcoder"] == pytest.approx(transcoder.std(), abs=1e-6)
        rng = np.random.default_rng(0)
        loop = [
            transcoder.to_numpy()[rng_b].mean() - sae.to_numpy()[rng_a].mean()
            for rng_a, rng_b in ((rng.integers(0, 30, 30), rng.integers(0, 40, 40)) for _ in range(PLAN.resamples))
        ]
        assert found["ci95"] == pytest.approx(np.percentile(loop, [2.5, 97.5]), abs=1e-6)


def test_instrument_figures_are_those_of_the_obvious_computation(tmp_path):
    arms = two_arms(tmp_path)
    check = run(arms)["instrument"]
    for metric in ("detection", "fuzz"):
        kinds = {
            kind: {name: obvious_means(arms[name].scores, metric, kind) for name in ORDER}
            for kind in ("real", "shuffled", "oracle")
        }
        floor, ceiling = (np.concatenate([kinds[kind][name] for name in ORDER]) for kind in ("shuffled", "oracle"))
        assert check["floor"][metric]["pooled"]["mean"] == pytest.approx(floor.mean(), abs=1e-6)
        assert check["ceiling"][metric]["pooled"]["mean"] == pytest.approx(ceiling.mean(), abs=1e-6)
        assert check["margin"][metric]["pooled"]["mean"] == pytest.approx((ceiling - floor).mean(), abs=1e-6)
        real, low, high = (kinds[kind]["sae"].mean() for kind in ("real", "shuffled", "oracle"))
        assert check["normalised"][metric]["sae"] == pytest.approx((real - low) / (high - low), abs=1e-6)


def test_same_input_same_bytes_whatever_the_order_of_rows(tmp_path):
    arms = two_arms(tmp_path)
    shuffled = {
        name: rewrite(arm, lambda t: t.take(pa.array(np.random.default_rng(0).permutation(t.num_rows))))
        for name, arm in arms.items()
    }
    assert pretty_json(run(arms)) == pretty_json(run(arms)) == pretty_json(run(shuffled))
    assert pretty_json(run(arms)) == pretty_json(run(dict(reversed(arms.items()))))


def test_order_decides_the_sign(tmp_path):
    arms = two_arms(tmp_path)
    forward, backward = run(arms), run(arms, order=("transcoder", "sae"))
    assert backward["metrics"]["fuzz"]["diff"] == -forward["metrics"]["fuzz"]["diff"]
    assert backward["metrics"]["fuzz"]["diff_is"] == "sae - transcoder"
    assert forward["verdict"] == backward["verdict"] == "transcoder"


def test_unreadable_answers_leave_no_nan_and_are_counted(tmp_path):
    arms = two_arms(tmp_path, sae=Simulated(mean=0.62, unreadable=0.05))

    def one_latent_silent(table):
        first = pc.min(table["latent"]).as_py()
        score = pc.if_else(pc.equal(table["latent"], first), pa.scalar(np.nan, pa.float32()), table["score"])
        return table.set_column(table.schema.get_field_index("score"), "score", score)

    result = run(arms | {"sae": rewrite(arms["sae"], one_latent_silent)})
    assert b"NaN" not in pretty_json(result)
    assert result["latents"]["sae"]["scored"] == {"detection": 59, "fuzz": 59}
    assert result["latents"]["sae"]["unreadable"] == {"detection": 1, "fuzz": 1}
    assert result["metrics"]["detection"]["n"] == {"sae": 59, "transcoder": 60}
    assert 0.91 < result["instrument"]["parse_rate"]["detection"]["sae"] < 0.95
    assert result["instrument"]["parse_rate"]["detection"]["transcoder"] == 1
    assert all(gate["passed"] for gate in result["gates"])


def test_a_metric_that_was_not_scored_says_why(tmp_path):
    arms = {
        name: rewrite(arm, lambda t: t.filter(pc.equal(t["metric"], "detection")))
        for name, arm in two_arms(tmp_path).items()
    }
    result = run(arms)
    assert result["metrics"]["fuzz"] == {
        "not_measured": "two latents an arm with a readable score are needed; sae has 0 and transcoder has 0"
    }
    assert result["verdict"] == "transcoder"
    assert result["instrument"]["floor"]["fuzz"] == {"sae": None, "transcoder": None, "pooled": None}
    pretty_json(result)
    assert run(arms, TestPlan(resamples=200, primary="fuzz"))["verdict"] == "limited by the instrument"


def test_pairs_matched_by_firing_rate(tmp_path):
    arms = two_arms(tmp_path)
    found = run(arms)["metrics"]["detection"]["matched_by_firing_rate"]
    assert found["pairs"] > 40
    assert found["ci95"][0] < found["diff"] < found["ci95"][1]
    arms = {name: replace(arm, firing=None) for name, arm in arms.items()}
    assert "not_measured" in run(arms)["metrics"]["detection"]["matched_by_firing_rate"]


def test_scores_by_latent_keep_their_latents(tmp_path):
    arm = two_arms(tmp_path, sae=Simulated(n=7))["sae"]
    found, truth = read_scores(arm.scores).table("fuzz", "oracle"), obvious_means(arm.scores, "fuzz", "oracle")
    assert found.latents.tolist() == sorted(arm.draw["latents"]) == truth.index.tolist()
    np.testing.assert_allclose(found.values, truth, atol=1e-12)
    assert read_scores(arm.scores).table("fuzz", "none such").values.size == 0


def test_mistakes_are_named(tmp_path):
    arms = two_arms(tmp_path, sae=Simulated(n=3), transcoder=Simulated(n=3))
    with pytest.raises(SparringError, match="needs the two arms"):
        run(arms, order=("sae", "crosscoder"))
    with pytest.raises(SparringError, match="lacks the columns label"):
        run(arms | {"sae": rewrite(arms["sae"], lambda t: t.drop_columns(["label"]))})
    with pytest.raises(SparringError, match=r"test\.primary is 'simulation'"):
        TestPlan(primary="simulation")
    with pytest.raises(SparringError, match=r"test\.resamples is 0"):
        TestPlan(resamples=0)
    with pytest.raises(SparringError, match=r"test\.caliper"):
        TestPlan(caliper=0.0)
