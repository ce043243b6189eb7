"""One coder that was trained elsewhere, checked and folded for raw rows."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.coders.foreign import bring_in
    from sparring.coders.recipe import Arm
    from sparring.sources.source import Source

    spec = job.spec
    return bring_in(
        Source(**spec["source"]),
        origin=spec["format"],
        arm=Arm(**spec["arm"]),
        subject=job.meta("subject"),
        activations=job.folder("activations", only="train.h5"),
        out=job.out,
    )


run(snakemake, compute)
