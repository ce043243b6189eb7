"""The labelled texts of one task: without duplicates, split into train and test."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.probing.task import prepare_task
    from sparring.sources.source import Source

    spec = job.spec
    keys = ("format", "text", "label", "balance", "labels", "train", "test", "seed")
    return prepare_task(Source(**spec["source"]), **{key: spec[key] for key in keys}, out=job.out)


run(snakemake, compute)
