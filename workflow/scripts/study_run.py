"""One run of the study: its figures, with all that they rest on."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.canonical import pretty_json
    from sparring.registry.plan import RunPlan
    from sparring.registry.result import run_result
    from sparring.testplan import TestPlan

    result = run_result(job, RunPlan(**job.spec["plan"]), TestPlan(**job.spec["test"]))
    (job.out / "result").write_bytes(pretty_json(result))
    return {}


run(snakemake, compute)
