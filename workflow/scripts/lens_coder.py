"""One coder, trained by sae_lens from the cached rows."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.coders.lens_plan import LensPlan
    from sparring.coders.lens_training import train_lens_coder
    from sparring.coders.recipe import Arm, Recipe

    spec = job.spec
    return train_lens_coder(
        job.folder("activations", only="train.h5"),
        arm=Arm(**spec["arm"]),
        recipe=Recipe(**spec["recipe"]),
        architecture=spec["architecture"],
        plan=LensPlan(**spec["plan"]),
        out=job.out,
    )


run(snakemake, compute)
