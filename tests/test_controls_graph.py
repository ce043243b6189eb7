"""Twins in the graph: made, measured and compared like any arm, on a model of 64 dimensions."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import ROOT, Checkout
from subjects_data import packaged_texts, save_model
from test_gemma_graph import save_scope

pytestmark = pytest.mark.e2e

RANDOM: dict[str, Any] = {"random": {"model": "weights"}}
OTHERS = {"iid": {"model": "iid_embeddings"}, "frozen": {"decoder": "random"}}
STAGES = ("coder", "recon", "latents", "draw", "explain", "score")
TWINS = {f"{stage}-{arm}" for stage in STAGES for arm in ("sae_random", "transcoder_random")}


def test_twins_go_through_the_graph_and_into_the_head_to_head(tmp_path: Path, mini: Checkout) -> None:
    save_model("llama", packaged_texts(mini, tmp_path / "texts"), tmp_path / "model")
    study = yaml.safe_load((ROOT / "config" / "studies" / "mini.yaml").read_text())
    study["subject"] = {"source": {"uri": f"path:{tmp_path / 'model'}"}}
    study["recipe"] |= {"width": 128, "k": 8}
    here = {"kind": "sae", "read": "mlp.out", "write": "mlp.out"}
    study["coders"]["scope"] = here | {"format": "gemma_scope", "source": {"uri": save_scope(tmp_path)}}
    checkout = mini.copy(tmp_path, tmp_path / "store")
    shutil.rmtree(checkout.work / "results")

    def with_controls(controls: dict[str, Any]) -> tuple[str, str]:
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(study | {"controls": controls}))
        return ("--configfile", str(tmp_path / "study.yaml"))

    ran = checkout.run("results/headtohead_autointerp.json", *with_controls(RANDOM))
    assert ran.status == 0, ran.output
    assert TWINS | {"random_subject-random", "random_activations-random", "controls"} <= ran.computed
    meta = json.loads(checkout.result("random/random/subject.json"))["meta"]
    assert meta["control"] == "weights" and len(meta["moments"]) == 64 and meta["tensors_kept"] == 0

    found = json.loads(checkout.result("controls.json"))
    pair = found["coders"]["sae"]["random"]
    assert pair["twin"] == "sae_random" and pair["metrics"]["detection"]["unit"] == "latents"
    assert pair["metrics"]["token_entropy"]["random"]["n"] == 12 and pair["metrics"]["bag_of_words"]["ci95"]
    recon = json.loads(checkout.result("recon/sae_random.json"))
    assert pair["metrics"]["ve"]["random"]["value"] == pytest.approx(recon["ve"], abs=1e-6)
    headline = json.loads(checkout.result("headtohead_autointerp.json"))
    assert headline["controls"] == found
    assert headline["reasons"][-len(found["sentences"]) :] == found["sentences"]  # the untrained model scores as well
    assert "## Against a randomised model" in checkout.result("headtohead_autointerp.md").decode()

    assert not (checkout.work / "results" / "controls.md").exists()
    ran = checkout.run("results/controls.md", *with_controls(RANDOM))
    assert ran.status == 0, ran.output
    page = checkout.result("controls.md").decode()
    assert "this score says little about what the model learned" in page
    probed = json.loads(checkout.result("probing/bbc/sae.json"))["controls"]["sae_random"]["pairs"]["sae_all"]
    assert f"| bbc, the probe on all latents | {probed['arm']:.3f}" in page

    # A further control makes its own twins alone; each coder's rows are those of its model.
    chosen = with_controls(RANDOM | OTHERS)
    ran = checkout.run(*(f"results/recon/sae_{control}.json" for control in OTHERS), *chosen)
    assert ran.status == 0, ran.output
    twins = {f"{stage}-sae_{control}" for stage in ("coder", "recon") for control in OTHERS}
    assert ran.computed == twins | {"random_subject-iid", "random_activations-iid"}
    coders = {
        arm: json.loads(checkout.result(f"coders/{arm}.json")) for arm in ("sae", "sae_random", "sae_iid", "sae_frozen")
    }
    rows = {arm: made["inputs"]["activations"] for arm, made in coders.items()}
    assert rows["sae"] == rows["sae_frozen"] and len(set(rows.values())) == 3
    assert coders["sae_frozen"]["meta"]["decoder"] == "random"

    for refused in ("results/coders/scope_random.json", "results/recon/scope_random.json"):
        ran = checkout.run(refused, "-n", *chosen)
        assert ran.status != 0 and "scope_random: scope was trained elsewhere" in ran.output, ran.output

    # Another draw of the model: its twins and what is said of them, and nothing else.
    with_controls({"random": {"model": "weights", "seed": 1}})
    told = checkout.sparring("why", "results/headtohead_autointerp.json", *map(str, _why(checkout, tmp_path)))
    lines = [line for line in told.stdout.splitlines() if ": computes" in line or ": memo" in line]
    anew = TWINS | {"random_subject-random", "random_activations-random", "controls", "headtohead"}
    assert {line.split(":")[0] for line in lines} == anew, told.stdout + told.stderr
    assert "study: plan.seed: 0 -> 1" in told.stdout


def _why(checkout: Checkout, folder: Path) -> list[str]:
    return ["--snakefile", str(checkout.code / "Snakefile"), "--configfile", str(folder / "study.yaml")]
