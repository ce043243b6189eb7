"""Whether an arm's cached rows are what other libraries have at its sites."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.canonical import pretty_json
    from sparring.gates.hook_parity import hook_parity

    folders = (job.folder(name) for name in ("subject", "tokens", "activations", "coder"))
    result = hook_parity(*folders, split=job.spec["split"])
    (job.out / "result").write_bytes(pretty_json(result))
    return {}


run(snakemake, compute)
