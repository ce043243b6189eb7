"""SAEBench in the graph: on the packaged model and texts, behind the gate, and made anew for what changed alone."""

import json

import pytest
from checkout import Checkout
from edits import MINI

pytestmark = pytest.mark.e2e

TARGETS = tuple(f"results/saebench/bbc/{arm}.json" for arm in ("sae", "transcoder"))
BOTH = frozenset(
    f"{job}-{arm}" for job in ("to_sae_lens", "encode_fidelity", "saebench-bbc") for arm in ("sae", "transcoder")
)


def test_it_runs_behind_the_gate_and_an_edit_remakes_its_dependents_alone(copy: Checkout) -> None:
    ran = copy.run(*TARGETS, *MINI)
    assert ran.status == 0, ran.output
    assert ran.computed == BOTH | {"task-bbc", "task_rows-bbc"}
    for target in TARGETS:
        found = json.loads(copy.result(target.removeprefix("results/")))
        assert found["task"] == "bbc" and found["examples"] == {"train": 40, "test": 40}
        assert found["classes"] == ["business", "entertainment", "politics", "sports", "tech"]
        assert found["agreement"]["largest"] <= 1e-6 and found["ours"]["bag_of_words"]["macro"] > 0.55
        assert found["ours"]["logistic_direction"]["ci95"][0] > 0.5

    def why() -> str:
        snakefile, study = str(copy.code / "Snakefile"), str(copy.code / MINI[1])
        return copy.sparring("why", TARGETS[0], "--snakefile", snakefile, "--configfile", study).stdout

    copy.edit("src/sparring/probing/probe.py", "LogisticRegression(C=1.0,", "LogisticRegression(C=2.0,")
    said = why()
    assert "saebench-bbc-sae: computes" in said and "sparring.probing.probe._fitted changed" in said
    assert "task_rows-bbc" not in said and "encode_fidelity-sae" not in said
    copy.edit("src/sparring/probing/probe.py", "LogisticRegression(C=2.0,", "LogisticRegression(C=1.0,")

    # Nothing that uses the adapter runs before its gate has passed (tests/test_gates_graph.py: a wrong one does not).
    right = '"apply_b_dec_to_input": coder.kind == "sae",'
    copy.edit("src/sparring/coders/sae_lens_adapter.py", right, '"apply_b_dec_to_input": False,')
    said = why()
    order = [said.index(f"{job}:") for job in ("to_sae_lens-sae", "encode_fidelity-sae", "saebench-bbc-sae")]
    assert order == sorted(order) and "task_rows-bbc" not in said
