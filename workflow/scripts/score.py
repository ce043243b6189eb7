"""The scores of one arm: a row for each latent, metric, explanation and example."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    import json

    from sparring.autointerp.plan import ScorePlan
    from sparring.autointerp.score import score

    return score(
        job.folder("latents"),
        json.loads(job.file("draw").read_bytes()),
        job.folder("explanations"),
        job.spec["arm"],
        job.folder("scorer"),
        job.folder("windows"),
        plan=ScorePlan(**job.spec["plan"]),
        out=job.out,
    )


run(snakemake, compute)
