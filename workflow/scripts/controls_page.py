"""Trained against random on one page and in one figure: every metric of the study, probes among them."""

import json
from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.controls.figure import draw_controls
    from sparring.controls.page import controls_page
    from sparring.controls.with_probing import with_probing

    probed = [json.loads(job.file(f"probing.{index}").read_bytes()) for index, _ in enumerate(job.spec["probed"])]
    result = with_probing(json.loads(job.file("controls").read_bytes()), probed)
    (job.out / "page").write_text(controls_page(result, figure="controls.svg"))
    draw_controls(result, svg=job.out / "svg")
    return {}


run(snakemake, compute)
