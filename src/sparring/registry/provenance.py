"""What led to the results that a run reads: every job, by the records beside the results and the memo's own."""

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sparring.canonical import digest
from sparring.cards.prices import price_of
from sparring.differences import study_of
from sparring.errors import SparringError
from sparring.memo import job_name, read_action
from sparring.records import read_record
from sparring.store import Store

Actions = Mapping[str, Mapping[str, Any]]


def upstream(targets: Iterable[str], store: Store) -> dict[str, dict[str, Any]]:
    """{job: {"key": its action's, "record": the memo's record}} of all jobs that led to `targets`, those included.
    A job's name has its wildcards in the order of their names.

    SparringError for a result of which nothing tells how it was made.
    """
    found: dict[str, dict[str, Any]] = {}
    seen: set[str] = set()
    wanted = list(targets)
    while wanted:
        target = wanted.pop()
        if target in seen or not target.startswith("results/"):
            continue
        seen.add(target)
        record = read_record(target)
        action = read_action(store, record.action) if record else None
        if record is None or action is None:
            raise SparringError(f"nothing tells how {target} was made; remove it and run the same command again")
        said = action["action"]
        found[job_name(said["rule"], dict(sorted(said["wildcards"].items())))] = {
            "key": record.action,
            "record": action,
        }
        wanted += record.inputs.values()
    return dict(sorted(found.items()))


def digests(specs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """{"code", "spec"}: digests of all jobs' code (and lock files), and of what the study says in them."""
    return {
        "code": digest({job: [spec["code"], spec["lock"]] for job, spec in specs.items()}),
        "spec": digest({job: study_of(spec) for job, spec in specs.items()}),
    }


def spent(jobs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """{"seconds", "machines"}: what computing the jobs took, whenever that was; None where a record does not tell."""
    measured = [job["record"].get("measured") for job in jobs.values()]
    known = [one for one in measured if one]
    seconds = sum(one["seconds"] for one in known) if len(known) == len(measured) else None
    return {"seconds": seconds, "machines": sorted({one["machine"] for one in known})}


def cost(jobs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """{"dollars", "why"}: what computing the jobs cost, whenever that was, each at the price of its own machine; None
    where one has none."""
    measured = [job["record"].get("measured") for job in jobs.values()]
    if not all(measured):
        return {"dollars": None, "why": "not every job's record tells how long it took"}
    priced = [(one["seconds"], *price_of(one["machine"])) for one in measured if one]
    why = "; ".join(dict.fromkeys(said for _, price, said in priced if price != 0.0)) or "machines that cost nothing"
    if any(price is None for _, price, _ in priced):
        return {"dollars": None, "why": why}
    return {"dollars": round(sum((seconds * (price or 0.0) for seconds, price, _ in priced), 0.0), 6), "why": why}


def git_revision(folder: Path) -> str | None:
    """The checked-out commit, with "+edited" after it where tracked files differ; None outside a repository."""
    head = _git(folder, "rev-parse", "HEAD")
    return head and head + ("+edited" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
