"""The activations of one task's texts at all sites, from one forward pass."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.probing.task_rows import capture_task

    spec = job.spec
    return capture_task(
        job.folder("subject"),
        job.folder("task"),
        context=spec["context"],
        sites=tuple(spec["sites"]),
        dtype=spec["dtype"],
        batch=spec["batch"],
        out=job.out,
    )


run(snakemake, compute)
