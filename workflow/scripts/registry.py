"""Every run result that the store keeps, as one table."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run
from sparring.registry.keys import run_keys

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.registry.kept import registry
    from sparring.registry.table import write_registry

    write_registry(registry(job.store), job.out)
    return {}


run(snakemake, compute, beside=run_keys)
