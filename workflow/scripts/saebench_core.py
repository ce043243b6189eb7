"""One coder by sae_bench's core, on evaluated sequences."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.canonical import pretty_json
    from sparring.coders.recipe import Arm
    from sparring.recon_plan import ReconPlan
    from sparring.saebench.core import core

    spec = job.spec
    folders = (job.folder(name) for name in ("sae_lens", "subject", "tokens"))
    result = core(Arm(**spec["arm"]), *folders, split=spec["split"], plan=ReconPlan(**spec["plan"]))
    (job.out / "result").write_bytes(pretty_json(result))
    return {}


run(snakemake, compute)
