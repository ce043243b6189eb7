"""Snakemake's report of the study: every page and figure in one HTML file."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.html_report import write_report

    files = [str(path) for path in job.files()]
    made = write_report(job.spec["study"], files, snakefile=job.checkout / "Snakefile", out=job.out / "report.html")
    made.rename(job.out / "html")
    return {}


run(snakemake, compute)
