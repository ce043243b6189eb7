"""A language model's explanation of each drawn latent of one arm."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    import json

    from sparring.autointerp.describe import describe
    from sparring.autointerp.plan import DescribePlan
    from sparring.llm.engines import engine_of

    with engine_of(job) as engine:
        return describe(
            job.folder("latents"),
            job.folder("subject", only="tokenizer.json"),
            json.loads(job.file("draw").read_bytes()),
            job.spec["arm"],
            engine=engine,
            plan=DescribePlan(**job.spec["plan"]),
            answers=job.kept("answers"),
            out=job.out,
        )


run(snakemake, compute)
