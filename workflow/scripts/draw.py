"""The latents of one arm to be judged, drawn by seed and hashed before any score exists."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.autointerp.draw import draw_latents
    from sparring.autointerp.plan import DrawPlan
    from sparring.canonical import pretty_json

    result = draw_latents(job.folder("latents"), arm=job.spec["arm"], plan=DrawPlan(**job.spec["plan"]))
    (job.out / "result").write_bytes(pretty_json(result))
    return {}


run(snakemake, compute)
