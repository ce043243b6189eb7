"""How well one coder reconstructs its target."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.canonical import pretty_json
    from sparring.recon_plan import ReconPlan
    from sparring.recon_stage import reconstruct

    spec = job.spec
    folders = (job.folder(name) for name in ("activations", "coder", "subject", "tokens"))
    result = reconstruct(*folders, split=spec["split"], plan=ReconPlan(**spec["plan"]))
    (job.out / "result").write_bytes(pretty_json(result))
    return {}


run(snakemake, compute)
