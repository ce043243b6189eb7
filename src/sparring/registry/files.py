"""Which results a run reads: its inputs in the graph, so that the jobs which make them are the run's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.jobview import Job
from sparring.registry.plan import Measure, RunPlan

ANY = ""  # in place of an arm: one file for all of them

_FILES: Mapping[Measure, Mapping[str, str]] = {
    "train": {},
    "smoke": {"recon": "results/recon/{arm}.json"},
    "recon": {"recon": "results/recon/{arm}.json", "parity": "results/gates/hook_parity/{arm}.json"},
    "autointerp": {"draw": "results/draws/{arm}.json"},
    "saebench": {"saebench": "results/saebench/{about}/{arm}.json", "gate": "results/gates/encode_fidelity/{arm}.json"},
    "probing": {"probing": "results/probing/{about}/{arm}.json"},
    "feature_sets": {"feature_sets": "results/feature_sets/{about}.json"},
    "steering": {"steering": "results/steering/{about}.json"},
    "edges": {"edges": "results/edges/{about}.json"},
    "unlearning": {"unlearning": "results/unlearning/{about}.json"},
    "memory": {"memory": "results/memory/{about}.json"},
    "headtohead": {"headtohead": "results/headtohead_autointerp.json"},
}


def run_files(plan: RunPlan, *, scores: str, activations: str) -> dict[tuple[str, str], str]:
    """{(kind, arm): path} of what the run reads, in a fixed order; `scores` is where the study's scores lie ({arm}),
    `activations` where the rows of the run's first arm lie."""
    kinds = {"activations": activations, "coder": "results/coders/{arm}.json"} if plan.arms else {}
    for measure in plan.measures:
        kinds |= _FILES[measure]
    if "autointerp" in plan.measures:
        kinds["scores"] = scores
    return {
        (kind, arm if "{arm}" in path else ANY): path.format(arm=arm, about=plan.about)
        for kind, path in kinds.items()
        for arm in plan.arms or (ANY,)
    }


@dataclass(frozen=True)
class RunInputs:
    """The same files as a job sees them: by kind and arm."""

    job: Job
    names: Mapping[tuple[str, str], str]

    @staticmethod
    def of(job: Job) -> "RunInputs":
        """From a job whose spec names its files, [kind, arm] each, in the order of the list input `upstream`."""
        return RunInputs(job, {(kind, arm): f"upstream.{i}" for i, (kind, arm) in enumerate(job.spec["files"])})

    def file(self, kind: str, arm: str = ANY) -> Path:
        """The file itself: a result or a manifest."""
        return self.job.file(self.names[kind, arm])

    def meta(self, kind: str, arm: str = ANY) -> Mapping[str, Any]:
        """The meta of an artifact."""
        return self.job.meta(self.names[kind, arm])

    def content(self, kind: str, arm: str = ANY) -> str:
        """The digest of its content."""
        return self.job.content(self.names[kind, arm])

    def folder(self, kind: str, arm: str, *, only: str = "*") -> Path:
        """The files of an artifact."""
        return self.job.folder(self.names[kind, arm], only=only)
