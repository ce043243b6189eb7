"""Before a job computes on a card: a job that the card has no room for ends in one line, with nothing loaded."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sparring.canonical import digest
from sparring.codedigest import code_digest
from sparring.job import Job, run
from sparring.manifest import Manifest
from sparring.memo import Action, remember
from sparring.memory.here import CardHere, refusal
from sparring.store import Store, open_store

GEMMA = {"source": {"uri": "hf:google/gemma-2-2b"}, "layers": 26}
RECIPE = {"width": 16384, "k": 64, "tokens": 8192, "lr": 5e-3, "batch_rows": 8192, "optimizer": "signum"}
ARM = {"name": "sae", "kind": "sae", "read_site": "layers.12.resid_post", "write_site": "layers.12.resid_post"}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which subject and activations of Gemma 2 2B were made, as far as the store remembers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPARRING_STORE", str(tmp_path / "store"))
    (tmp_path / "rule.py").write_text("x = 1\n")
    (tmp_path / "results").mkdir()
    store = open_store()
    subject = _made(store, "subject", GEMMA, {})
    manifest = _made(store, "activations", {"sites": []}, {"subject": subject.content})
    (tmp_path / "results" / "activations.json").write_bytes(manifest.to_bytes())
    return tmp_path


def _made(store: Store, rule: str, spec: Mapping[str, Any], inputs: Mapping[str, str]) -> Manifest:
    manifest = Manifest(rule, {}, {"rule": rule}, inputs)
    action = Action(rule, {"code": digest(rule), **spec}, {}, inputs)
    remember(store, action, {"manifest": store.put_bytes(manifest.to_bytes())}, [], {}, {})
    return manifest


def a_card(work: Path, monkeypatch: pytest.MonkeyPatch, *, name: str, free_mib: int) -> None:
    """A driver that answers as nvidia-smi does, and a torch that was built for it."""
    (work / "bin").mkdir()
    driver = work / "bin" / "nvidia-smi"
    driver.write_text(f"#!/bin/sh\necho '{name}, {free_mib}'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{work / 'bin'}{os.pathsep}{os.environ['PATH']}")
    torch = work / "bin" / "torch-2.13.0.dist-info"
    torch.mkdir()
    (torch / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0\n")
    source = Path(__file__).parents[1] / "src"
    monkeypatch.setenv("PYTHONPATH", f"{work / 'bin'}{os.pathsep}{source}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def train(work: Path, calls: list[str], **recipe: Any) -> None:
    """One training job, which only notes that it began."""

    def compute(job: Job) -> Mapping[str, Any]:
        calls.append("began")
        (job.out / "weights").write_text("w")
        return {}

    spec = {"script": "rule.py", "code": code_digest(work / "rule.py"), "arm": ARM, "recipe": {**RECIPE, **recipe}}
    snakemake: Any = SimpleNamespace(
        input={"activations": "results/activations.json"},
        output={"manifest": "results/coder.json"},
        params=SimpleNamespace(spec=spec),
        wildcards={},
        threads=1,
        log=["coder.log"],
        rule="coder",
        scriptdir=str(work),
    )
    run(snakemake, compute)


def test_a_job_without_room_ends_in_one_line_before_it_begins(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_card(work, monkeypatch, name="NVIDIA L4", free_mib=2000)  # something else has taken the rest
    calls: list[str] = []
    with pytest.raises(SystemExit) as stopped:
        train(work, calls)
    said = str(stopped.value).strip()
    assert not calls and not Path("results/coder.json").exists()
    assert "\n" not in said
    assert said.startswith("Error in coder: training sae needs ")
    assert "training sae alone on the NVIDIA L4, in a process of its own" in said
    assert said.split(": ", 1)[1] in Path("coder.log").read_text()


def test_a_job_with_room_computes(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_card(work, monkeypatch, name="NVIDIA L4", free_mib=22_500)
    calls: list[str] = []
    train(work, calls)
    assert calls == ["began"]
    train(work, calls)  # the memo answers, and nothing is asked
    assert calls == ["began"]


def test_where_nothing_is_known_nothing_is_refused(work: Path) -> None:
    """A rule that holds nothing on a card, and a subject whose sizes are not in the table."""
    here = CardHere("NVIDIA L4", 0.1)
    store = str(work / "store")
    assert refusal({"rule": "headtohead", "spec": {}, "inputs": {}, "store": store}, here) is None
    spec = {"arm": ARM, "recipe": RECIPE}
    assert refusal({"rule": "coder", "spec": spec, "inputs": {}, "store": store}, here) is None
    inputs = {"activations": next(iter(_contents(work)))}
    said = refusal({"rule": "coder", "spec": spec, "inputs": inputs, "store": store}, here)
    assert said is not None and "0.1 GiB of the NVIDIA L4 are free" in said


def _contents(work: Path) -> list[str]:
    from sparring.manifest import content_of

    return [content_of(work / "results" / "activations.json")]
