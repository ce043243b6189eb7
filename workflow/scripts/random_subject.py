"""The subject model, randomised as one control says."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.controls.plan import ControlPlan
    from sparring.controls.stage import randomise

    return randomise(job.folder("subject"), ControlPlan(**job.spec["plan"]), out=job.out)


run(snakemake, compute)
