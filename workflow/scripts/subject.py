"""The subject model: fetched, checked against its hashes, converted to float32 safetensors."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.sources.source import Source
    from sparring.sources.subject import prepare_subject

    return prepare_subject(Source(**job.spec["source"]), out=job.out)


run(snakemake, compute)
