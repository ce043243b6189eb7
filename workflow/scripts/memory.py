"""Whether a model fits on a card."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from pydantic import TypeAdapter

    from sparring.canonical import pretty_json, rounded
    from sparring.memory.plan import MemoryPlan
    from sparring.memory.preflight import preflight

    plan = TypeAdapter(MemoryPlan).validate_python(job.spec["plan"])
    (job.out / "result").write_bytes(pretty_json(rounded(preflight(plan))))
    return {}


run(snakemake, compute)
