"""Probing in the graph: an arm and its twins on the packaged model, on the same texts, and a run that reports them."""

import json
from pathlib import Path

import pytest
import yaml
from checkout import ROOT, Checkout
from edits import MINI

from sparring.outdated import _planned
from sparring.specs import Specs
from sparring.study import read_study

TARGET = "results/probing/bbc/sae.json"
RUN = "results/runs/ctrl-probe-real.json"
CONTROLS = {
    "controls": {"random": {"model": "weights"}, "frozen": {"decoder": "random"}},
    "runs": {"ctrl-probe-real": {"what": "linear probe", "measures": ["probing"], "arms": ["sae"], "about": "bbc"}},
}


def test_an_arm_is_probed_with_its_twins_each_on_its_own_models_rows() -> None:
    config = yaml.safe_load((ROOT / MINI[1]).read_text())
    made = Specs(read_study(config | {"controls": CONTROLS["controls"]}), ROOT)
    assert made.probed("sae") == ["sae", "sae_random", "sae_frozen"] and made.probed("sae_random") == ["sae_random"]
    rows = "results/random/random/task_rows/bbc.json"
    assert [made.task_rows_of("bbc", arm) for arm in made.probed("sae")] == [
        "results/task_rows/bbc.json",
        rows,
        "results/task_rows/bbc.json",
    ]
    assert [arm["name"] for arm in made.probing("sae")["arms"]] == made.probed("sae")
    assert [plan and plan["model"] for plan in made.probing("sae")["controls"]] == [None, "weights", None]
    assert made.probing("sae_random")["controls"][0]["model"] == "weights"
    assert _planned(made, "probing", {"task": "bbc", "arm": "sae_random"}) == made.probing("sae_random")
    assert _planned(made, "probing", {"task": "gone", "arm": "sae"}) is None


@pytest.mark.e2e
def test_twins_are_probed_beside_their_arm_and_reported(copy: Checkout, tmp_path: Path) -> None:
    (tmp_path / "controls.yaml").write_text(yaml.safe_dump(CONTROLS))
    study = (*MINI, str(tmp_path / "controls.yaml"))
    ran = copy.run(*study, "--", TARGET, RUN)
    assert ran.status == 0, ran.output
    assert "probing-bbc-sae" in ran.computed and "saebench-bbc-sae" not in ran.computed
    found = json.loads(copy.result("probing/bbc/sae.json"))
    assert list(found["controls"]) == ["sae_frozen", "sae_random"] and found["task"] == "bbc"
    assert set(found["controls"]["sae_frozen"]["pairs"]) == {"sae_top_1", "sae_top_2", "sae_top_5", "sae_all"}
    pairs = found["controls"]["sae_random"]["pairs"]
    assert {"residual_all", "difference_of_means", "logistic_direction", "sae_all"} <= set(pairs)
    for of in pairs.values():
        assert of["difference"] == pytest.approx(of["arm"] - of["control"], abs=2e-6)
        assert of["ci95"][0] <= of["difference"] <= of["ci95"][1]
        if of["ci95"][0] <= 0 and of is pairs["sae_all"]:
            assert any("sae_random" in doubt for doubt in found["doubts"])
    page = copy.result("probing/bbc/sae.md").decode()
    assert all(sentence in page for sentence in (*found["doubts"], *found["notes"]))
    run = json.loads((copy.work / RUN).read_bytes())
    assert run["figures"]["sae_random_difference"]["ci95"] == pairs["sae_all"]["ci95"]
    assert run["figures"]["accuracy"]["ci95"] == found["measures"]["sae_all"]["ci95"]
    assert run["status"] == ("inconclusive" if found["doubts"] else "novel") and run["reasons"] == found["doubts"]
    assert not copy.run(*study, "--", TARGET, RUN).launched
