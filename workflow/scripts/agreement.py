"""Whether the embedding scorer and the language model agree on the same latents."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.agreement import agreement, agreement_page, draw_agreement
    from sparring.canonical import pretty_json
    from sparring.perlatent import read_scores
    from sparring.testplan import TestPlan

    first, second = (
        {
            arm: read_scores(job.folder(f"{name}.{index}") / "scores.parquet")
            for index, arm in enumerate(job.spec["compare"])
        }
        for name in ("scores", "llm_scores")
    )
    names = ("the embedding scorer", str(job.meta("llm_scores.0")["scorer"]["model"]))
    result = agreement(first, second, names=names, plan=TestPlan(**job.spec["plan"]))
    (job.out / "result").write_bytes(pretty_json(result))
    (job.out / "page").write_text(agreement_page(result, figure="agreement.svg"))
    draw_agreement(first, second, names=names, svg=job.out / "svg")
    return {}


run(snakemake, compute)
