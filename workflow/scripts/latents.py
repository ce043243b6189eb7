"""The latents of one coder on the evaluated split, as delphi reads them, and how often each fires."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.latents import encode_latents

    split = job.spec["split"]
    activations = job.folder("activations", only=f"{split}.h5")
    return encode_latents(activations, job.folder("tokens"), job.folder("coder"), split=split, out=job.out)


run(snakemake, compute)
