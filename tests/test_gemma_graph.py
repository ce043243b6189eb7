"""Gemma-shaped models go through the whole graph at the site after the norm that follows the MLP, and only there.

The SAE and the skip transcoder of the comparison write what Gemma Scope's MLP coders write; beside them a coder in
Gemma Scope's own layout is brought in. The same coder at the site before that norm is refused.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from checkout import ROOT, Checkout
from subjects_data import D, packaged_texts, save_model

pytestmark = pytest.mark.e2e

NORMED = "layers.1.mlp.out_normed"


def save_scope(folder: Path, *, width: int = 96) -> str:
    """A random coder as Gemma Scope's releases lay one out; the URI of its source."""
    rng = np.random.default_rng(0)
    below = folder / "gemma-scope-2b-pt-mlp" / "layer_1" / "width_16k" / "average_l0_12"
    below.mkdir(parents=True)
    encoder = rng.standard_normal((D, width)) / D**0.5
    shapes = {"b_enc": rng.standard_normal(width) * 0.1, "b_dec": rng.standard_normal(D) * 0.1}
    arrays = {"W_enc": encoder, "W_dec": encoder.T, "threshold": np.full(width, 0.5), **shapes}
    np.savez(below / "params.npz", **{name: array.astype(np.float32) for name, array in arrays.items()})
    return f"path:{below.parents[2]}"


@pytest.mark.parametrize("family", ["gemma2", pytest.param("gemma3", marks=pytest.mark.slow)])
def test_the_site_after_the_norm_goes_through_the_whole_graph(family: str, tmp_path: Path, mini: Checkout) -> None:
    save_model(family, packaged_texts(mini, tmp_path / "texts"), tmp_path / "model")
    study = yaml.safe_load((ROOT / "config" / "studies" / "mini.yaml").read_text())
    study["subject"] = {"source": {"uri": f"path:{tmp_path / 'model'}"}}
    study["recipe"] |= {"width": 128, "k": 8}
    here = {"read": "mlp.out_normed", "write": "mlp.out_normed"}
    scope = {"kind": "sae", **here, "format": "gemma_scope", "source": {"uri": save_scope(tmp_path)}}
    study["coders"] = {
        "sae": {"kind": "sae", **here},
        "transcoder": {"kind": "skip-transcoder", "read": "mlp.in", "write": "mlp.out_normed"},
        "scope": scope,
        "wrong_side": scope | {"read": "mlp.out", "write": "mlp.out"},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    checkout = mini.copy(tmp_path, tmp_path / "store")
    shutil.rmtree(checkout.work / "results")
    arms = ("sae", "transcoder", "scope")
    gates = [f"results/gates/{gate}/{arm}.json" for gate in ("hook_parity", "encode_fidelity") for arm in arms]
    wanted = ("results/headtohead_autointerp.json", "results/recon/scope.json", *gates)
    chosen = ("--configfile", str(tmp_path / "study.yaml"))
    ran = checkout.run(*wanted, *chosen)
    assert ran.status == 0, ran.output
    assert {"foreign_coder-scope", "coder-sae", "coder-transcoder"} <= ran.computed
    result = json.loads(checkout.result("headtohead_autointerp.json"))
    assert {arm["write_site"] for arm in result["arms"].values()} == {NORMED} and result["verdict"]
    for arm in arms:
        parity = json.loads(checkout.result(f"gates/hook_parity/{arm}.json"))
        assert parity["side_of_norm"] == {NORMED: "after"}
        assert all(check["relative"] <= 1e-5 for check in parity["checks"])
        side = [check for check in parity["must_fail"] if check["reference"] == "the other side of a norm"]
        assert all(check["relative"] > 1e-1 for check in side)
        assert json.loads(checkout.result(f"recon/{arm}.json"))["side_of_norm"] == {NORMED: "after"}
        fidelity = json.loads(checkout.result(f"gates/encode_fidelity/{arm}.json"))
        assert all(check["jaccard_least"] == 1 for check in fidelity["checks"])
    meta = json.loads(checkout.result("coders/scope.json"))["meta"]
    assert (meta["declared"]["read"], meta["side_of_norm"]) == ("blocks.1.hook_mlp_out", {NORMED: "after"})
    ran = checkout.run("results/recon/wrong_side.json", *chosen)
    assert ran.status != 0 and "coder-wrong_side" not in ran.computed
    kind = {"gemma2": "gemma2", "gemma3": "gemma3_text"}[family]
    assert f"reads blocks.1.hook_mlp_out, which in a {kind} model is {NORMED}, not layers.1.mlp.out" in ran.output
