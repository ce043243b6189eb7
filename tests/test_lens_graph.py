"""sae_lens's own training classes in the graph: trained from the cache, measured, read back as the same coder."""

import json

import pytest
from checkout import Checkout
from edits import MINI

pytestmark = pytest.mark.e2e

ARMS = {"jump": "jumprelu", "batchtopk": "batchtopk", "matryoshka": "matryoshka"}
CODERS = ", ".join(
    f"{arm}: {{kind: sae, read: mlp.out, write: mlp.out, architecture: {name}}}" for arm, name in ARMS.items()
)
STUDY = (*MINI, "--config", f"coders={{{CODERS}}}")


def test_coders_of_sae_lens_go_through_reconstruction_latents_the_gate_and_probing(copy: Checkout) -> None:
    where = ("recon", "latents", "gates/encode_fidelity", "saebench/bbc")
    wanted = [f"results/{stage}/{arm}.json" for stage in where for arm in ARMS]
    ran = copy.run(*wanted, *STUDY)
    assert ran.status == 0, ran.output
    stages = ("lens_coder", "recon", "latents", "to_sae_lens", "encode_fidelity", "saebench-bbc")
    assert ran.computed == {f"{stage}-{arm}" for stage in stages for arm in ARMS} | {"task-bbc", "task_rows-bbc"}
    for arm, name in ARMS.items():
        meta = json.loads(copy.result(f"coders/{arm}.json"))["meta"]
        assert (meta["format"], meta["architecture"], meta["n_latents"]) == ("sae_lens", name, 512)
        recon = json.loads(copy.result(f"recon/{arm}.json"))
        assert recon["ve"] > 0.5 and 14 < recon["l0"] < 24, (arm, recon)  # k is 16
        assert recon["model"]["ce_recovered"] > 0.2  # on four sequences; zeros cost 0.16 nats here
        assert json.loads(copy.result(f"latents/{arm}.json"))["meta"]["l0"] == pytest.approx(recon["l0"], abs=0.01)
        gate = json.loads(copy.result(f"gates/encode_fidelity/{arm}.json"))
        assert all(check["jaccard_least"] == 1.0 for check in gate["checks"])
        assert {check["variant"] for check in gate["must_fail"]} == {"b_dec flipped", "the threshold left out"}
        assert all(check["jaccard"] < 0.97 for check in gate["must_fail"] if check["rows"] == "real")
        probed = json.loads(copy.result(f"saebench/bbc/{arm}.json"))
        assert probed["ours"]["sae_all"]["macro"] > 0.6 and probed["agreement"]["largest"] <= 1e-6
    ran = copy.run("results/recon/jump.json", *MINI, "--config", f"coders={{{CODERS.replace('jumprelu', 'topk')}}}")
    assert ran.computed == {"coder-jump", "recon-jump"}, ran.output  # another maker of the same file: never the old one
