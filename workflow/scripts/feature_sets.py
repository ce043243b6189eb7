"""A feature set of some coders: against random ones, and how faithful the model is to itself with it alone."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.canonical import pretty_json
    from sparring.feature_sets.figure import draw_feature_sets
    from sparring.feature_sets.page import feature_sets_page
    from sparring.feature_sets.plan import FeatureSetPlan
    from sparring.feature_sets.stage import feature_sets
    from sparring.probing.plan import ProbingPlan

    plan = FeatureSetPlan(**job.spec["plan"])
    name = job.wildcards["feature_set"]
    result = feature_sets(
        job.folder("subject"),
        {arm: job.folder(f"coder.{index}") for index, arm in enumerate(plan.arms)},
        job.folder("task.0"),
        job.folder("task_rows.0"),
        plan=plan,
        probing=ProbingPlan(**job.spec["probing"]),
        readout=job.spec["readout"],
        context=job.spec["context"],
    )
    (job.out / "result").write_bytes(pretty_json(result))
    (job.out / "page").write_text(feature_sets_page(result, name=name, figure=f"{name}.svg"))
    draw_feature_sets(result, svg=job.out / "svg")
    return {}


run(snakemake, compute)
