"""Whether every coder of the study trains, saves and loads."""

import json
from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.canonical import pretty_json
    from sparring.smoke import smoke

    arms = list(enumerate(job.spec["arms"]))
    coders = {arm: job.folder(f"coder.{index}") for index, arm in arms}
    recon = {arm: json.loads(job.file(f"recon.{index}").read_bytes()) for index, arm in arms}
    (job.out / "result").write_bytes(pretty_json(smoke(coders, recon)))
    return {}


run(snakemake, compute)
