"""Edges between the latents of several coders, by attribution and by ablation."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.canonical import pretty_json
    from sparring.edges.figure import draw_edges
    from sparring.edges.page import render_edges
    from sparring.edges.plan import EdgesPlan
    from sparring.edges.stage import edges
    from sparring.probing.plan import ProbingPlan

    plan = EdgesPlan(**job.spec["plan"])
    result = edges(
        job.folder("subject"),
        {arm: job.folder(f"coder.{index}") for index, arm in enumerate(plan.arms)},
        job.folder("task.0"),
        job.folder("task_rows.0"),
        plan=plan,
        probing=ProbingPlan(**job.spec["probing"]),
        context=job.spec["context"],
    )
    (job.out / "result").write_bytes(pretty_json(result))
    (job.out / "page").write_text(render_edges(result, figure=f"{job.wildcards['edges']}.svg"))
    draw_edges(result, svg=job.out / "svg")
    return {}


run(snakemake, compute)
