"""One coder as a class of sae_lens."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.coders.sae_lens_adapter import save_sae_lens

    return save_sae_lens(job.folder("coder"), job.out)


run(snakemake, compute)
