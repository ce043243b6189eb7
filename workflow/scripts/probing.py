"""Probes of one arm on one task, against its random controls on the same texts."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.coders.recipe import Arm
    from sparring.controls.sentences import of_what
    from sparring.probing.plan import ProbingPlan
    from sparring.probing.report import write_probing
    from sparring.probing.stage import probing
    from sparring.probing.vectors import ArmFiles

    spec = job.spec
    arms = [
        ArmFiles(
            Arm(**arm),
            job.folder(f"coder.{index}"),
            job.folder(f"task_rows.{index}"),
            "" if control is None else of_what(control),
        )
        for index, (arm, control) in enumerate(zip(spec["arms"], spec["controls"], strict=True))
    ]
    result = probing(
        arms[0],
        arms[1:],
        job.folder("task"),
        plan=ProbingPlan(**spec["plan"]),
        is_control=spec["controls"][0] is not None,
    )
    write_probing(result | {"task": job.wildcards["task"]}, job.out)
    return {}


run(snakemake, compute)
