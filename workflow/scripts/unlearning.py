"""Unlearning by ablation of a class's latents."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.canonical import pretty_json
    from sparring.probing.plan import ProbingPlan
    from sparring.unlearning.figure import draw_unlearning
    from sparring.unlearning.page import unlearning_page
    from sparring.unlearning.plan import UnlearningPlan
    from sparring.unlearning.stage import unlearning

    plan = UnlearningPlan(**job.spec["plan"])
    name = job.wildcards["unlearning"]
    result = unlearning(
        job.folder("subject"),
        {arm: job.folder(f"coder.{index}") for index, arm in enumerate(plan.arms)},
        job.folder("task.0"),
        job.folder("task_rows.0"),
        plan=plan,
        probing=ProbingPlan(**job.spec["probing"]),
        context=job.spec["context"],
    )
    (job.out / "result").write_bytes(pretty_json(result))
    (job.out / "page").write_text(unlearning_page(result, name=name, figure=f"{name}.svg"))
    draw_unlearning(result, svg=job.out / "svg")
    return {}


run(snakemake, compute)
