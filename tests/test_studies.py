"""Every published run is a target: its study is valid, and Snakemake plans it without a hub or a GPU."""

import pytest
import yaml
from checkout import ROOT, Checkout

PUBLISHED = frozenset(
    "repro-001 repro-002 repro-003 repro-004 smoke-p70-sae smoke-p70-tc train-g2-sae train-g2-tc recon-g2-sae "
    "ai-g2-sae ai-g2-tc ai-g2-7b-attempt ai-g2-sae-7b ai-g2-tc-7b ctrl-probe-real ctrl-probe-random "
    "ctrl-steer ctrl-steer-v2 circuit-g2-sae circuit-multilayer saebench-custom-sae-v1 saebench-custom-sae-v2".split()
)
LEFT_OPEN = frozenset({"edges-multilayer"})  # of circuit-multilayer; no published figure
STUDIES = {
    "published": [
        ["studies/gemma-2-2b"],
        ["studies/gemma-2-2b", "scorers/qwen2.5-7b"],
        ["studies/gemma-2-2b", "controls/gemma-2-2b"],
        ["studies/pythia-70m"],
    ],
    "equivalent": [["studies/equivalents"]],
}


def runs_of(name: str) -> dict[str, dict]:
    return yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())["runs"]


@pytest.mark.parametrize("which", STUDIES)
def test_all_published_runs_are_there(which: str) -> None:
    assert len(PUBLISHED) == 21 + 1  # ctrl-probe-random is named as another's pair, without figures
    runs = {run for names in STUDIES[which] for name in names for run in runs_of(name)}
    assert runs == PUBLISHED | (LEFT_OPEN if which == "equivalent" else frozenset())


@pytest.mark.e2e
@pytest.mark.parametrize("names", [names for some in STUDIES.values() for names in some], ids="+".join)
def test_every_run_is_planned(tmp_path, names: list[str]) -> None:
    runs = sorted({run for name in names for run in runs_of(name)})
    checkout = Checkout.make(tmp_path, tmp_path / "store")
    files = [f"config/{name}.yaml" for name in names]
    ran = checkout.run("-n", "--configfile", *files, "--", *(f"results/runs/{run}.json" for run in runs))
    assert ran.status == 0, ran.output
    assert f"study_run {len(runs)}" in " ".join(ran.output.split())
