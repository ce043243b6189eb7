"""What people read of a head-to-head: the page, the figure, the lines on the terminal."""

import copy
import json
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from headtohead_data import Simulated, two_arms
from matplotlib.image import imread

from sparring.canonical import pretty_json
from sparring.figure import draw_figure, swarm
from sparring.headtohead import head_to_head
from sparring.page import Example, pick_examples, render_page
from sparring.testplan import TestPlan

ORDER = ("sae", "transcoder")


@pytest.fixture(scope="module")
def arms(tmp_path_factory):
    return two_arms(tmp_path_factory.mktemp("arms"))


@pytest.fixture(scope="module")
def result(arms):
    provenance = {"spec": {"recipe": {"k": 32}, "compare": ["sae", "transcoder"]}, "inputs": {"tokens": "cd" * 32}}
    return head_to_head(arms=arms, order=ORDER, plan=TestPlan(resamples=1000), provenance=provenance)


def scores(arms):
    return {name: arm.scored for name, arm in arms.items()}


def page(result, examples=None):
    return render_page(result, examples=examples or {}, figure="headtohead_autointerp.svg")


def test_the_verdict_comes_first_and_the_rest_follows(result):
    text = page(result)
    first, verdict, figure = (part for part in text.split("\n\n")[:3])
    assert first == "# Head-to-head: transcoder against sae"
    assert verdict.startswith("**The latents of transcoder are better explained than those of sae")
    assert figure.endswith("(headtohead_autointerp.svg)")
    for figure in ("0.861 [0.855, 0.866]", "0.708", "28.1", "1.0%", "+0.080", "`layers.9.mlp.in`", "310 too rare"):
        assert figure in text
    assert all(reason in text for reason in result["reasons"])
    assert "Realised L0 is not matched" in text
    assert "- passed: same write site, same evaluation rows" in text
    assert "- inputs tokens: `cdcdcdcdcdcd`" in text
    assert "- spec recipe k: `32`" in text
    assert "- spec compare: `sae, transcoder`" in text
    assert len(text.splitlines()) < 80  # one page


def test_tables_are_whole(result):
    rows = [line for line in page(result).splitlines() if line.startswith("|")]
    tables = "\n".join(rows).split("| ---")
    assert len(tables) > 3
    for before, row in pairwise(rows):
        if row.startswith("| ---"):
            assert row.count("|") == before.count("|")


def test_examples_are_the_best_the_median_and_the_worst(arms):
    table = arms["sae"].scored.table("fuzz", "real")
    chosen = pick_examples(arms["sae"].scored, {int(i): f"latent {i}" for i in table.latents}, metric="fuzz")
    assert [example.rank for example in chosen] == ["best", "median", "worst"]
    assert chosen[0].auroc == table.values.max()
    assert chosen[2].auroc == table.values.min()
    assert abs(chosen[1].auroc - np.median(table.values)) < 0.02
    assert all(example.text == f"latent {example.latent}" for example in chosen)


def test_explanations_cannot_break_the_table(result):
    text = page(result, {"sae": [Example("best", 7, 0.9, "a | b\nc " + "word " * 60)]})
    row = next(line for line in text.splitlines() if line.startswith("| sae | best"))
    assert row.startswith("| sae | best | a \\| b c word word")
    assert row.endswith("… | 7 | 0.900 |")
    assert len(row) < 220


def test_what_failed_is_seen(result):
    broken = copy.deepcopy(result)
    broken["gates"][0] |= {
        "passed": False,
        "detail": "sae writes layers.9.resid_post, transcoder writes layers.9.mlp.out",
    }
    broken["arms"]["sae"]["write_site"] = "layers.9.resid_post"
    broken |= {"verdict": "not comparable", "reasons": ["The gate 'same write site' failed: they differ."]}
    text = page(broken)
    assert "**No verdict, not comparable: the gate 'same write site' failed: they differ.**" in text
    assert "- **failed**: same write site (sae writes layers.9.resid_post" in text
    assert "**Sites differ**" in text


def unmeasured(result):
    missing = copy.deepcopy(result)
    missing["metrics"]["fuzz"] = {"not_measured": "it was not asked for"}
    for kind in ("floor", "ceiling", "margin", "lift", "normalised", "reliability", "parse_rate"):
        missing["instrument"][kind]["fuzz"] = dict.fromkeys((*ORDER, "pooled"))
    return missing


def test_a_metric_without_figures_is_shown_as_such(result, arms, tmp_path):
    missing = unmeasured(result)
    assert "| fuzz | not measured |" in page(missing)
    draw_figure(missing, scores(arms), svg=tmp_path / "f.svg", png=tmp_path / "f.png")


def test_the_figure_is_the_same_bytes_again(result, arms, tmp_path):
    draw_figure(result, scores(arms), svg=tmp_path / "a.svg", png=tmp_path / "a.png")
    draw_figure(result, scores(arms), svg=tmp_path / "svg", png=tmp_path / "png")  # as the job wrapper names them
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "png").read_bytes()
    assert b"<dc:date>" not in (tmp_path / "a.svg").read_bytes()
    assert imread(tmp_path / "a.png").shape == (960, 2100, 4)


def test_arms_without_any_spread_can_be_drawn(tmp_path):
    # Perfect scores: every latent at 1, the difference 0 with an interval of no width.
    arms = two_arms(tmp_path, sae=Simulated(n=2, examples=2), transcoder=Simulated(n=2, examples=2))
    result = head_to_head(arms=arms, order=ORDER, plan=TestPlan(resamples=50), provenance={})
    draw_figure(result, scores(arms), svg=tmp_path / "f.svg", png=tmp_path / "f.png")


def test_a_swarm_stays_in_its_column_and_moves_nothing_up_or_down():
    for values in (np.full(200, 0.5), np.linspace(0, 1, 60), np.array([0.3])):
        offsets = swarm(values)
        assert offsets.shape == values.shape
        assert np.abs(offsets).max() <= 0.36 + 1e-9
    assert swarm(np.array([0.1, 0.9])).tolist() == [0.0, 0.0]


def test_the_summary_says_it_all_in_a_dozen_lines(result, tmp_path):
    path = tmp_path / "headtohead_autointerp.json"
    path.write_bytes(pretty_json(result))
    done = subprocess.run([sys.executable, "-m", "sparring.summary", path], capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line]
    assert len(lines) <= 9
    assert "layers.9.mlp.in -> layers.9.mlp.out: variance explained 0.879 (affine floor 0.708)" in lines[1]
    assert "transcoder - sae = +0.080" in lines[2]
    assert lines[4].startswith("The latents of transcoder are better explained")
    assert lines[5].split() == ["page", str(path.with_suffix(".md"))]
    assert json.loads(path.read_text())["verdict"] == "transcoder"


def test_the_summary_says_why_nothing_was_measured(result, tmp_path):
    path = tmp_path / "result.json"
    path.write_bytes(pretty_json(unmeasured(result)))
    done = subprocess.run([sys.executable, "-m", "sparring.summary", path], capture_output=True, text=True, check=True)
    assert "fuzz         not measured: it was not asked for" in done.stdout
