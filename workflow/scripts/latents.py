"""The latents of one coder on the evaluated split, as delphi reads them, and how often each fires."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.latents import encode_latents

    return encode_latents(
        job.folder("activations"), job.folder("tokens"), job.folder("coder"), split=job.spec["split"], out=job.out
    )


run(snakemake, compute)
