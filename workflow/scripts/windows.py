"""The windows of text that explanations are judged on, with the vectors of their tokens."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.autointerp.embedded import embed_windows
    from sparring.autointerp.plan import WindowsPlan

    return embed_windows(
        job.folder("subject", only="tokenizer.json"),
        job.folder("tokens"),
        job.folder("scorer"),
        split=job.spec["split"],
        plan=WindowsPlan(**job.spec["plan"]),
        out=job.out,
    )


run(snakemake, compute)
