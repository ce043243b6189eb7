"""Sparse probing of one coder on one task, by sae_bench and by us."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.canonical import pretty_json
    from sparring.coders.recipe import Arm
    from sparring.probing.plan import ProbingPlan
    from sparring.saebench.sparse_probing import sparse_probing

    spec = job.spec
    folders = (job.folder(name) for name in ("sae_lens", "task", "task_rows"))
    result = sparse_probing(Arm(**spec["arm"]), *folders, plan=ProbingPlan(**spec["plan"]))
    (job.out / "result").write_bytes(pretty_json(result | {"task": job.wildcards["task"]}))
    return {}


run(snakemake, compute)
