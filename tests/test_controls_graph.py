"""Twins in the graph: made, measured and compared like any arm, on a model of 64 dimensions."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from checkout import ROOT, Checkout
from subjects_data import packaged_texts, save_model
from test_gemma_graph import save_scope

pytestmark = pytest.mark.e2e

CONTROLS = {"random": {"model": "weights"}, "iid": {"model": "iid_embeddings"}, "frozen": {"decoder": "random"}}
TWINS = [f"{coder}_{control}" for control in CONTROLS for coder in ("sae", "transcoder")]
ROWS = {f"{what}-{control}" for what in ("random_subject", "random_activations") for control in ("random", "iid")}


@pytest.fixture
def made(tmp_path: Path, mini: Checkout) -> tuple[Checkout, Path]:
    save_model("llama", packaged_texts(mini, tmp_path / "texts"), tmp_path / "model")
    study = yaml.safe_load((ROOT / "config" / "studies" / "mini.yaml").read_text())
    study["subject"] = {"source": {"uri": f"path:{tmp_path / 'model'}"}}
    study["recipe"] |= {"width": 128, "k": 8}
    study["controls"] = CONTROLS
    here = {"kind": "sae", "read": "mlp.out", "write": "mlp.out"}
    study["coders"]["scope"] = here | {"format": "gemma_scope", "source": {"uri": save_scope(tmp_path)}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    checkout = mini.copy(tmp_path, tmp_path / "store")
    shutil.rmtree(checkout.work / "results")
    return checkout, tmp_path / "study.yaml"


def test_twins_go_through_the_graph_and_into_the_head_to_head(made: tuple[Checkout, Path]) -> None:
    checkout, study = made
    chosen = ("--configfile", str(study))
    wanted = ("results/headtohead_autointerp.json", "results/saebench/bbc/sae_random.json")
    ran = checkout.run(*wanted, "results/gates/hook_parity/sae_random.json", *chosen)
    assert ran.status == 0, ran.output
    stages = ("coder", "recon", "latents", "draw", "explain", "score")
    assert {f"{stage}-{twin}" for stage in stages for twin in TWINS} | ROWS | {"controls"} <= ran.computed
    assert {"saebench-bbc-sae_random", "random_task_rows-random-bbc"} <= ran.computed
    assert "task_rows-bbc" not in ran.launched  # the twin's texts are read by its own model alone

    meta = json.loads(checkout.result("random/random/subject.json"))["meta"]
    assert meta["control"] == "weights" and len(meta["moments"]) == 64 and meta["tensors_kept"] == 0
    coders = {arm: json.loads(checkout.result(f"coders/{arm}.json")) for arm in ("sae", *TWINS)}
    rows = {arm: made["inputs"]["activations"] for arm, made in coders.items()}
    assert rows["sae"] == rows["sae_frozen"] and len({rows[arm] for arm in ("sae", "sae_random", "sae_iid")}) == 3
    assert coders["sae_frozen"]["meta"]["decoder"] == "random"

    found = json.loads(checkout.result("controls.json"))
    assert [found["coders"][coder][c]["twin"] for c in CONTROLS for coder in ("sae", "transcoder")] == TWINS
    metrics = found["coders"]["sae"]["random"]["metrics"]
    assert metrics["ve"]["unit"] == "documents" and metrics["detection"]["unit"] == "latents"
    assert metrics["token_entropy"]["random"]["n"] == 12 and metrics["bag_of_words"]["ci95"] is not None
    recon = json.loads(checkout.result("recon/sae_random.json"))
    assert metrics["ve"]["random"]["value"] == pytest.approx(recon["ve"], abs=1e-6)
    headline = json.loads(checkout.result("headtohead_autointerp.json"))
    assert headline["controls"] == found
    assert headline["reasons"][-len(found["sentences"]) :] == found["sentences"]  # the untrained model scores as well
    assert "this score says little about what the model learned" in checkout.result("controls.md").decode()
    assert "## Against a randomised model" in checkout.result("headtohead_autointerp.md").decode()

    ran = checkout.run("results/gates/hook_parity/sae_iid.json", *chosen)
    assert ran.status != 0 and "hook parity with TransformerLens: this model's token embeddings are drawn" in ran.output
    for refused in ("results/coders/scope_random.json", "results/recon/scope_random.json"):
        ran = checkout.run(refused, *chosen)
        assert ran.status != 0 and "scope_random: scope was trained elsewhere" in ran.output, ran.output

    study.write_text(study.read_text().replace("model: weights", "model: weights\n    seed: 1"))
    ran = checkout.run("results/controls.json", *chosen)  # another draw of one model: its twins, and nothing else
    assert ran.status == 0, ran.output
    redone = {f"{stage}-{arm}" for stage in stages for arm in ("sae_random", "transcoder_random")}
    assert ran.computed == redone | {"random_subject-random", "random_activations-random", "controls"}
    assert not (checkout.work / "results/headtohead_autointerp.json").exists()  # it held the other draw's figures
    assert not (checkout.work / "results/saebench/bbc/sae_random.json").exists()
