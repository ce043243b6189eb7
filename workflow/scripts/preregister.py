"""The plan of the comparison, before any score exists."""

import json
from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.canonical import pretty_json
    from sparring.registration import register
    from sparring.testplan import TestPlan

    draws = {arm: json.loads(job.file(f"draw.{index}").read_bytes()) for index, arm in enumerate(job.spec["scored"])}
    plan = register(draws, TestPlan(**job.spec["plan"]), order=job.spec["compare"])
    (job.out / "result").write_bytes(pretty_json(plan))
    return {}


run(snakemake, compute)
