"""The scores of one arm by a language model: a row for each latent, metric, explanation and example."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    import json

    from sparring.autointerp.llm_score import llm_score
    from sparring.autointerp.plan import AskPlan
    from sparring.llm.engines import engine_of

    with engine_of(job) as engine:
        return llm_score(
            job.folder("latents"),
            job.folder("subject", only="tokenizer.json"),
            json.loads(job.file("draw").read_bytes()),
            job.folder("explanations"),
            job.folder("written.0") if "written.0" in job.contents() else None,
            job.spec["arm"],
            engine=engine,
            plan=AskPlan(**job.spec["plan"]),
            answers=job.kept("answers"),
            out=job.out,
        )


run(snakemake, compute)
