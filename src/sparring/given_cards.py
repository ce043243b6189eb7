"""Before the first job of a run elsewhere: each job that asks for a card gets one that has room for it.

Where a profile sets the resource `bigger_gpus`, names of cards divided by blanks, the first of `gpu_model` and those
that the job fits on is taken. Resources of rules are set, so that it holds when a job is tried again, too.
"""

from collections.abc import Callable, Mapping
from typing import Any

from snakemake.resources import Resource

from sparring.lineage import of_jobs
from sparring.memo import job_name
from sparring.memory.choice import choose
from sparring.planned import jobs_of


def give_cards(workflow: Any, say: Callable[[str], None]) -> None:
    """Sets `gpu` and `gpu_model` of the jobs to be run; says where a job gets another card than it asked for."""
    planned = jobs_of(workflow.dag)
    given: dict[str, dict[str, Any]] = {}
    for job, lineage in zip(planned, of_jobs(planned), strict=True):
        asked = job.resources
        if job.scheduled and asked.get("gpu") and asked.get("bigger_gpus"):
            found = choose(lineage, str(asked["gpu_model"]), str(asked["bigger_gpus"]).split())
            if found.reason:
                say(f"{job.name}: {found.card or 'no card'} instead of {asked['gpu_model']}: {found.reason}")
            on_it = {"gpu": asked["gpu"], "modal_venvs": asked.get("modal_venvs")}  # programs that run on the card
            given[job.name] = {"gpu_model": found.card, **(on_it if found.card else {"gpu": 0, "modal_venvs": None})}
    jobs = [job for job in workflow.dag.needrun_jobs() if _name(job.rule, job.wildcards) in given]
    for rule in {job.rule for job in jobs}:
        for key in ("gpu", "gpu_model", "modal_venvs"):
            rule.resources[key] = Resource(key, _of(rule, key, given))
    for job in jobs:
        job.attempt = job.attempt  # its resources are worked out anew


def _of(rule: Any, key: str, given: Mapping[str, Mapping[str, Any]]) -> Callable[..., Any]:
    return lambda wildcards: given.get(_name(rule, wildcards), {}).get(key)


def _name(rule: Any, wildcards: Any) -> str:
    return job_name(rule.name, dict(wildcards.items()))
