"""An explanation for each drawn latent of one arm."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    import json

    from sparring.autointerp.explain import explain
    from sparring.autointerp.plan import ExplainPlan

    return explain(
        job.folder("latents"),
        job.folder("subject", only="tokenizer.json"),
        json.loads(job.file("draw").read_bytes()),
        job.spec["arm"],
        plan=ExplainPlan(**job.spec["plan"]),
        out=job.out,
    )


run(snakemake, compute)
