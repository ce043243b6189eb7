"""Steering along latents, held against other ways."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.canonical import pretty_json
    from sparring.probing.plan import ProbingPlan
    from sparring.steering.figure import draw_steering
    from sparring.steering.page import steering_page
    from sparring.steering.plan import SteeringPlan
    from sparring.steering.stage import steer

    plan = SteeringPlan(**job.spec["plan"])
    result = steer(
        job.folder("subject"),
        {arm: job.folder(f"coder.{i}") for i, arm in enumerate(plan.arms)},
        *(job.folder(name) for name in ("task.0", "task_rows.0", "scorer")),
        plan=plan,
        probing=ProbingPlan(**job.spec["probing"]),
        **job.spec["scorer"],
    )
    name = job.wildcards["steering"]
    (job.out / "result").write_bytes(pretty_json(result))
    (job.out / "page").write_text(steering_page(result, name=name, figure=f"{name}.svg"))
    draw_steering(result, svg=job.out / "svg")
    return {}


run(snakemake, compute)
