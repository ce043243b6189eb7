"""The gates and the reconstruction page in the graph; a flipped b_dec in the adapter is stopped alone."""

import json

import pytest
from checkout import Checkout
from edits import MINI

pytestmark = pytest.mark.e2e

FIDELITY = ("results/gates/encode_fidelity/sae.json", "results/gates/encode_fidelity/transcoder.json")
PARITY = ("results/gates/hook_parity/sae.json", "results/gates/hook_parity/transcoder.json")
RIGHT = '"apply_b_dec_to_input": coder.kind == "sae",'


def test_the_gates_pass_and_a_flipped_b_dec_is_stopped_with_its_figures(copy: Checkout) -> None:
    ran = copy.run(*PARITY, *FIDELITY, "results/reconstruction.md", "results/smoke.json", *MINI)
    assert ran.status == 0, ran.output
    smoke = {f"{job}-smoke_{arm}" for job in ("coder", "recon") for arm in ("sae", "transcoder")} | {"smoke"}
    both = {
        f"{job}-{arm}" for job in ("hook_parity", "to_sae_lens", "encode_fidelity") for arm in ("sae", "transcoder")
    }
    assert ran.computed == both | smoke | {"reconstruction"}
    for path in FIDELITY:
        checks = json.loads(copy.result(path.removeprefix("results/")))["checks"]
        assert [check["jaccard_least"] for check in checks] == [1.0, 1.0]
    for path in PARITY:
        found = json.loads(copy.result(path.removeprefix("results/")))
        assert all(check["relative"] <= 1e-5 for check in found["checks"])
        assert all(check["relative"] > 1e-2 for check in found["must_fail"])
    assert {one["steps"] for one in json.loads(copy.result("smoke.json")).values()} == {30}
    page = copy.result("reconstruction.md").decode()
    assert "| sae | layers.1.mlp.out |" in page and "| transcoder | layers.1.mlp.in -> layers.1.mlp.out |" in page

    copy.edit("src/sparring/coders/sae_lens_adapter.py", RIGHT, '"apply_b_dec_to_input": False,')
    ran = copy.run(*FIDELITY, "results/headtohead_autointerp.json", *MINI)
    assert ran.status != 0
    assert "encode fidelity of sae: the adapter is not its coder (random rows: Jaccard 0." in ran.output
    assert ", cosine 0." in ran.output
    assert ran.computed <= {"to_sae_lens-sae", "to_sae_lens-transcoder", "encode_fidelity-transcoder"}

    copy.edit("src/sparring/coders/sae_lens_adapter.py", '"apply_b_dec_to_input": False,', RIGHT)
    ran = copy.run(*FIDELITY, *MINI)
    assert ran.status == 0 and not ran.computed


def test_the_registry_shows_the_flipped_b_dec_superseded_by_the_right_one(copy: Checkout) -> None:
    """The published study's own story: there v1 had a figure, here the gate stops it, with its reason."""
    run = "results/runs/saebench-sae.json"
    runs = "runs={saebench-sae: {what: sparse probing, measures: [saebench], arms: [sae], about: bbc}}"
    study = (*MINI, "--config", "name=mini", runs)
    copy.edit("src/sparring/coders/sae_lens_adapter.py", RIGHT, '"apply_b_dec_to_input": False,')
    ran = copy.run(run, *study)
    assert ran.status != 0 and not (copy.work / run).exists()
    assert "saebench-bbc-sae" not in ran.launched
    (v1,) = json.loads(copy.sparring("runs", "--json").stdout)
    assert v1["status"] == "failed" and v1["figures"] == {}
    assert "the adapter is not its coder (random rows: Jaccard 0." in v1["reasons"][0]

    copy.edit("src/sparring/coders/sae_lens_adapter.py", '"apply_b_dec_to_input": False,', RIGHT)
    ran = copy.run(run, "results/registry.json", *study)
    assert ran.status == 0, ran.output
    v1, v2 = json.loads(copy.result("registry.json"))["rows"]
    assert (v1["status"], v1["superseded_by"]) == ("superseded", "saebench-sae")
    assert v1["changed"] == ["sparring.coders.sae_lens_adapter._of_sparsify changed"]
    assert v2["status"] == "novel"
    for rows in ("random", "real"):
        assert v2["figures"][f"fidelity_jaccard_{rows}"]["value"] == 1.0
    assert 0.5 < v2["figures"]["sae_full"]["value"] <= 1
    assert v2["figures"]["sae_top_1"]["ci95"]
