"""The verdict between two arms: the figures, the page, the picture."""

import json
from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.registration import registered
    from sparring.report import ArmArtifacts, write_headtohead
    from sparring.testplan import TestPlan

    replicates = {arm: job.spec["replicates"][arm] for arm in job.spec["compare"]}
    arms = {
        arm: ArmArtifacts(
            coder=job.meta(f"coder.{index}"),
            coder_digest=job.content(f"coder.{index}"),
            recon=json.loads(job.file(f"recon.{index}").read_bytes()),
            draw=json.loads(job.file(f"draw.{index}").read_bytes()),
            latents=job.folder(f"latents.{index}"),
            explanations=job.folder(f"explanations.{index}"),
            scores=job.folder(f"scores.{index}"),
            score_meta=job.meta(f"scores.{index}"),
        )
        for index, arm in enumerate([*replicates, *(name for names in replicates.values() for name in names)])
    }
    registration = json.loads(job.file("registration").read_bytes())
    write_headtohead(
        arms,
        replicates=replicates,
        rows=job.content("tokens"),
        plan=TestPlan(**job.spec["plan"]),
        preregistration=registered(
            registration,
            noted=job.first_seen("registration"),
            scored=min(job.first_seen(f"scores.{index}") for index in range(len(arms))),
        ),
        controls=json.loads(job.file("controls").read_bytes()) if "controls" in job.contents() else None,
        provenance={"spec": dict(job.spec), "inputs": job.contents()},
        out=job.out,
    )
    return {}


run(snakemake, compute)
