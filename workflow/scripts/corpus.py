"""The documents: fetched, checked against their hashes, without duplicates."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.corpus import prepare_corpus
    from sparring.sources.source import Source

    spec = job.spec
    return prepare_corpus(Source(**spec["source"]), format=spec["format"], column=spec["column"], out=job.out)


run(snakemake, compute)
