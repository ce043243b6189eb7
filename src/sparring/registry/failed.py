"""A run whose jobs failed leaves a row too: kept in the store under the code and study it failed with."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparring.canonical import digest, pretty_json
from sparring.memo import Action, remember
from sparring.registry.keys import RULE
from sparring.registry.plan import FAILED, RunPlan
from sparring.registry.provenance import digests
from sparring.registry.result import finished
from sparring.store import Store


def keep_failed(
    store: Store,
    spec: Mapping[str, Any],
    jobs: Mapping[str, Mapping[str, Any]],
    reasons: Sequence[str],
    *,
    code: Mapping[str, str],
    checkout: Path,
) -> None:
    """Keeps that the run of `spec` failed for `reasons`. jobs: the specs of its jobs by name; code: all they reach."""
    plan = RunPlan(**spec["plan"])
    result = finished(
        spec,
        plan,
        checkout,
        status=FAILED,
        reasons=list(reasons),
        figures={},
        coders=[],
        tokens={},
        jobs={name: {"action": None, "code": one["code"]} for name, one in jobs.items()},
        digests=digests(jobs),
        spent={"seconds": None, "machines": [], "cost": {"dollars": None, "why": "it failed before it had a result"}},
    )
    # Never what a memo would be asked for: a run that succeeds has other inputs.
    action = Action(RULE, spec, {"run": spec["run"]}, {"failed": digest([result["code_digest"], list(reasons)])})
    remember(store, action, {"result": store.put_bytes(pretty_json(result))}, [], code, {})
