"""Probes of one arm on one task, against its random controls on the same texts."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.coders.recipe import Arm
    from sparring.probing.plan import ProbingPlan
    from sparring.probing.report import write_probing
    from sparring.probing.stage import probing
    from sparring.probing.vectors import ArmFiles

    spec = job.spec
    arms = [
        ArmFiles(Arm(**arm), job.folder(f"coder.{index}"), job.folder(f"task_rows.{index}"))
        for index, arm in enumerate(spec["arms"])
    ]
    result = probing(
        arms[0], arms[1:], job.folder("task"), plan=ProbingPlan(**spec["plan"]), is_control=spec["is_control"]
    )
    write_probing(result | {"task": job.wildcards["task"]}, job.out)
    return {}


run(snakemake, compute)
