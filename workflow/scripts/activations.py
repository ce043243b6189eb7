"""The activations of all sites, from one forward pass."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.activations import capture

    spec = job.spec
    return capture(
        job.folder("subject"),
        job.folder("tokens"),
        sites=tuple(spec["sites"]),
        train_sites=tuple(spec["train_sites"]),
        splits=tuple(spec["splits"]),
        dtype=spec["dtype"],
        batch=spec["batch"],
        seed=spec["seed"],
        out=job.out,
    )


run(snakemake, compute)
