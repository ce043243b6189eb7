"""The language model, in one file."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.sources.gguf_parts import prepare_gguf
    from sparring.sources.source import Source

    sources = [Source(**source) for source in job.spec["sources"]]
    return prepare_gguf(sources, sha256=job.spec["sha256"], out=job.out) if sources else {}


run(snakemake, compute)
