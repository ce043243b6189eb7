"""The documents as sequences of tokens, split into train, tuning and evaluation by document."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.tokens import TokenPlan, tokenize

    plan = TokenPlan(**job.spec["plan"])
    return tokenize(job.folder("subject"), job.folder("corpus"), plan=plan, out=job.out)


run(snakemake, compute)
