"""Every coder's reconstruction on one page."""

import json
from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.canonical import pretty_json
    from sparring.recon_page import draw_recon, recon_page

    results = [json.loads(job.file(f"recon.{index}").read_bytes()) for index in range(len(job.spec["arms"]))]
    (job.out / "result").write_bytes(pretty_json({"arms": results}))
    (job.out / "page").write_text(recon_page(results, figure="reconstruction.svg"))
    draw_recon(results, svg=job.out / "svg")
    return {}


run(snakemake, compute)
