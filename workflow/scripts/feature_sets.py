"""A feature set of some coders against random ones."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.canonical import pretty_json
    from sparring.feature_sets.plan import FeatureSetPlan
    from sparring.feature_sets.stage import feature_sets
    from sparring.probing.plan import ProbingPlan

    plan = FeatureSetPlan(**job.spec["plan"])
    result = feature_sets(
        {arm: job.folder(f"coder.{index}") for index, arm in enumerate(plan.arms)},
        job.folder("task.0"),
        job.folder("task_rows.0"),
        plan=plan,
        probing=ProbingPlan(**job.spec["probing"]),
    )
    (job.out / "result").write_bytes(pretty_json(result))
    return {}


run(snakemake, compute)
