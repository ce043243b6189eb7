"""Steering along a latent, held against other ways."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.canonical import pretty_json
    from sparring.probing.plan import ProbingPlan
    from sparring.steering.plan import SteeringPlan
    from sparring.steering.stage import steer

    result = steer(
        *(job.folder(name) for name in ("subject", "coder.0", "task.0", "task_rows.0", "scorer")),
        plan=SteeringPlan(**job.spec["plan"]),
        probing=ProbingPlan(**job.spec["probing"]),
        **job.spec["scorer"],
    )
    (job.out / "result").write_bytes(pretty_json(result))
    return {}


run(snakemake, compute)
