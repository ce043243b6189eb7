"""The explanations and scores of one arm by delphi's own code."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    import json

    from sparring.autointerp.delphi import delphi
    from sparring.autointerp.plan import DelphiPlan
    from sparring.llm.engines import engine_of

    with engine_of(job) as engine:
        return delphi(
            job.folder("latents"),
            job.folder("subject", only="tokenizer.json"),
            json.loads(job.file("draw").read_bytes()),
            job.folder("explanations"),
            job.spec["arm"],
            engine=engine,
            plan=DelphiPlan(**job.spec["plan"]),
            answers=job.kept("answers"),
            out=job.out,
        )


run(snakemake, compute)
