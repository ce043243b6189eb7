"""How well one coder reconstructs its target."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.canonical import pretty_json
    from sparring.recon import reconstruction

    spec = job.spec
    result = reconstruction(job.folder("activations"), job.folder("coder"), split=spec["split"], seed=spec["seed"])
    (job.out / "result").write_bytes(pretty_json(result))
    return {}


run(snakemake, compute)
