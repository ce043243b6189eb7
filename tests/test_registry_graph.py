"""Runs of a study in the graph: made, superseded by other code, failed and mended, on the packaged model."""

import json

import jsonschema
import pytest
from checkout import Checkout
from edits import MINI

from sparring.registry.result import schema

RUN, REGISTRY = "results/runs/recon-one.json", "results/registry.json"
STUDY = (*MINI, "--config", "name=mini", "runs={recon-one: {what: reconstruction, measures: [recon], arms: [sae]}}")
FIGURE = ("src/sparring/recon_metrics.py", "self._predicted / self._inner", "self._inner / self._predicted")
BROKEN = ("src/sparring/recon.py", 'abs(test["predict_mean"]) > _TOLERANCE', 'abs(test["predict_mean"]) >= 0')


def rows(checkout: Checkout) -> list[dict[str, str]]:
    return json.loads(checkout.sparring("runs", "--json").stdout)


@pytest.mark.e2e
def test_run_is_superseded_by_other_code_and_fails_with_its_reason(copy: Checkout) -> None:
    ran = copy.run(RUN, REGISTRY, *STUDY)
    assert ran.status == 0, ran.output
    first = json.loads((copy.work / RUN).read_bytes())
    jsonschema.validate(first, schema())
    recon = json.loads(copy.result("recon/sae.json"))
    assert first["status"] == "novel"
    assert first["figures"]["variance_explained"]["ci95"] == [round(end, 6) for end in recon["ve_ci95"]]
    assert {"subject", "tokens", "activations", "coder-sae", "recon-sae", "hook_parity-sae"} <= set(first["jobs"])
    assert first["wall_seconds"] > 1
    assert not copy.run(RUN, REGISTRY, *STUDY).launched

    copy.edit(*FIGURE)
    ran = copy.run(RUN, REGISTRY, *STUDY)
    assert ran.computed == {"recon-sae", "study_run-recon-one", "registry"}
    old, new = json.loads((copy.work / REGISTRY).read_bytes())["rows"]
    assert (old["status"], new["status"]) == ("superseded", "novel")
    assert old["changed"] == ["sparring.recon_metrics.ReconSums changed"]
    assert old["code_digest"] == first["code_digest"]

    copy.edit(*BROKEN)
    ran = copy.run(RUN, *STUDY)
    assert ran.status != 0
    assert not (copy.work / RUN).exists()
    assert not (copy.work / REGISTRY).exists()
    failed = rows(copy)[-1]
    assert failed["spec_digest"] == first["spec_digest"]
    assert failed["status"] == "failed"
    assert "recon-sae: variance explained fails its self-test" in failed["reasons"][0]

    path, old_text, new_text = BROKEN
    copy.edit(path, new_text, old_text)
    ran = copy.run(RUN, REGISTRY, *STUDY)
    assert ran.status == 0, ran.output
    assert ran.recalled >= {"recon-sae", "study_run-recon-one"}
    assert [row["status"] for row in rows(copy)] == ["superseded", "superseded", "novel"]


@pytest.mark.e2e
def test_run_of_another_study_is_named(copy: Checkout) -> None:
    ran = copy.run("-n", "results/runs/repro-001.json", *MINI)
    assert ran.status != 0
    assert "name that with --configfile" in ran.output
    assert "config/studies/equivalents.yaml" in ran.output
