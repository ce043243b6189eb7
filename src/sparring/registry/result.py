"""results/runs/RUN.json: the figures of one run with all that they rest on, held against its schema."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from sparring.canonical import rounded
from sparring.jobview import Job
from sparring.registry.figure import Figures
from sparring.registry.files import ANY, RunInputs
from sparring.registry.measures import measured
from sparring.registry.plan import FAILED, INCONCLUSIVE, NOVEL, REPRODUCED, WHOLE, RunPlan
from sparring.registry.provenance import cost, digests, git_revision, spent, upstream
from sparring.testplan import TestPlan

FORMAT = "sparring.run/1"


def run_result(job: Job, plan: RunPlan, test: TestPlan) -> dict[str, Any]:
    """The result of the run that `job` makes, valid under the schema. Its time, machine and git revision are not part
    of its action: a run that the memo answers says when and where it was computed."""
    inputs = RunInputs.of(job)
    figures: Figures = {}
    doubts: list[str] = []
    failures: list[str] = []
    for measure in plan.measures:
        for arm in plan.arms[:1] or [ANY] if measure in WHOLE else plan.arms:
            found = measured(measure, inputs, arm, test)
            prefix = f"{arm}." if len(plan.arms) > 1 and measure not in WHOLE else ""
            figures |= {prefix + name: value for name, value in found.figures.items()}
            doubts += [doubt for doubt in found.doubts if doubt not in doubts]
            failures += found.failures
    jobs = upstream(sorted(str(path) for path in job.files()), job.store)
    specs = {name: one["record"]["action"]["spec"] for name, one in jobs.items()}
    status, reasons = judged(plan, figures, doubts, failures)
    return finished(
        job.spec,
        plan,
        job.checkout,
        status=status,
        reasons=reasons,
        figures=rounded(figures),
        coders=[_coder(inputs, arm) for arm in plan.arms],
        tokens=dict(inputs.meta("activations")["rows"]) if plan.arms else {},
        jobs={name: {"action": one["key"], "code": specs[name]["code"]} for name, one in jobs.items()},
        digests=digests(specs),
        spent=spent(jobs) | {"cost": cost(jobs)},
    )


def judged(
    plan: RunPlan, figures: Figures, doubts: Sequence[str] = (), failures: Sequence[str] = ()
) -> tuple[str, list[str]]:
    """(status, reasons): what failed failed; what is in doubt is inconclusive; a figure outside its expected range
    failed, inside it is reproduced; without a range the run is novel."""
    if failures:
        return FAILED, [*failures]
    if doubts:
        return INCONCLUSIVE, [*doubts]
    outside = []
    for name, (low, high) in plan.expected.items():
        value = figures[name]["value"] if name in figures else None
        if value is None:
            outside.append(f"{name} was expected in [{low}, {high}] and was not measured.")
        elif not low <= value <= high:
            outside.append(f"{name} is {value:.4g}, outside the expected [{low}, {high}].")
    return (FAILED, outside) if outside else (REPRODUCED if plan.expected else NOVEL, [])


def finished(
    spec: Mapping[str, Any],
    plan: RunPlan,
    checkout: Path,
    *,
    status: str,
    reasons: list[str],
    figures: Figures,
    coders: list[dict[str, Any]],
    tokens: Mapping[str, int],
    jobs: Mapping[str, Any],
    digests: Mapping[str, str],
    spent: Mapping[str, Any],
) -> dict[str, Any]:
    """A run's result from its parts, checked against the schema (jsonschema.ValidationError where it is not)."""
    result = {
        "format": FORMAT,
        "run": spec["run"],
        "study": spec["study"],
        "what": plan.what,
        "measures": list(plan.measures),
        "status": status,
        "reasons": reasons,
        "figures": figures,
        "expected": {name: list(ends) for name, ends in plan.expected.items()},
        "published": dict(plan.published),
        "superseded_by": plan.superseded_by,
        "coders": coders,
        "sites": sorted({site for coder in coders for site in (coder["read_site"], coder["write_site"])}),
        "tokens": dict(tokens),
        "code_digest": digests["code"],
        "spec_digest": digests["spec"],
        "git_revision": git_revision(checkout),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "wall_seconds": spent["seconds"],
        "hardware": spent["machines"],
        "cost": spent["cost"],
        "jobs": dict(jobs),
    }
    jsonschema.validate(result, schema())
    return result


@cache
def schema() -> dict[str, Any]:
    """The JSON schema of a run's result."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("run.schema.json").read_bytes())
    return found


def _coder(inputs: RunInputs, arm: str) -> dict[str, Any]:
    meta = inputs.meta("coder", arm)
    return {**meta["arm"], "n_latents": meta["n_latents"], "digest": inputs.content("coder", arm)}
