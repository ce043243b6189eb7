"""Every figure of the compared coders beside that of their twins under the study's controls."""

import json
from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.canonical import pretty_json
    from sparring.controls.compare import Measured, against_controls
    from sparring.perlatent import read_scores
    from sparring.testplan import TestPlan

    spec = job.spec
    arms = {
        arm: Measured(
            recon=json.loads(job.file(f"recon.{index}").read_bytes()),
            scores=read_scores(job.folder(f"scores.{index}") / "scores.parquet"),
            score_meta=job.meta(f"scores.{index}"),
        )
        for index, arm in enumerate(spec["arms"])
    }
    result = against_controls(
        arms, spec["pairs"], spec["controls"], refused=spec["refused"], plan=TestPlan(**spec["plan"])
    )
    (job.out / "result").write_bytes(pretty_json(result))
    return {}


run(snakemake, compute)
