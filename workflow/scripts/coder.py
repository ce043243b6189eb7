"""One coder, trained by sparsify from the cached rows."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.coders.recipe import Arm, Recipe
    from sparring.coders.training import train_coder

    spec = job.spec
    return train_coder(
        job.folder("activations", only="train.h5"),
        arm=Arm(**spec["arm"]),
        recipe=Recipe(**spec["recipe"]),
        decoder_seed=spec.get("decoder_seed"),
        out=job.out,
    )


run(snakemake, compute)
