"""The cost ledger: what each job of a target took and cost this time, what was foreseen, what the memo saved.

Seconds are those of Snakemake's benchmark records (results/benchmarks/*.tsv), the job's process from start to end. A
job that took less than its result once took to compute (the memo's record of it) was answered by the memo: the
difference is what the memo saved.
"""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparring.cards.prices import price_source
from sparring.cost.predict import CPU, Known, kind_of, predict
from sparring.cost.rented import Place
from sparring.cost.stages import by_stage
from sparring.errors import SparringError
from sparring.lineage import of_jobs
from sparring.memo import read_action
from sparring.planned import PlannedJob
from sparring.records import read_record
from sparring.store import Store


@dataclass(frozen=True)
class Entry:
    """One job: seconds it took, the peak of its memory, what it cost, what was foreseen without its own record, and the
    seconds and dollars that the memo saved (0 where it computed). None where it is not known."""

    job: str
    stage: str
    machine: str
    seconds: float
    dollars: float
    memory_gib: float | None
    foreseen: float | None
    memo: bool
    saved_seconds: float
    saved_dollars: float


def ledger(jobs: Sequence[PlannedJob], store: Store, place: Place, known: Sequence[Known]) -> list[Entry]:
    """An entry for each of `jobs` that has a benchmark record here. SparringError where none has, or one is damaged."""
    entries = []
    for job, lineage in zip(jobs, of_jobs(jobs), strict=True):
        if job.benchmark is None or not job.benchmark.is_file():
            continue
        seconds, memory = _benchmark(job.benchmark)
        measured = _measured(job, store)
        machine = measured.get("machine", "unknown")
        computing = float(measured.get("seconds", 0.0))
        memo = seconds < computing
        rented = place.rented(job, lineage)
        second = 0.0 if place.here else rented.second
        kind = kind_of(machine) if place.here else rented.card or CPU
        others = [one for one in known if not (one.rule == job.rule and one.seconds == computing)]
        saved = computing - seconds if memo else 0.0
        entries.append(
            Entry(
                job=job.name,
                stage=job.stage,
                machine=machine,
                seconds=seconds,
                dollars=seconds * second,
                memory_gib=memory,
                foreseen=0.0 if memo else predict(lineage, kind, others).seconds,
                memo=memo,
                saved_seconds=saved,
                saved_dollars=saved * second,
            )
        )
    if not entries:
        raise SparringError(
            "no benchmark record of these jobs is here (results/benchmarks); run them first, or go to where they ran"
        )
    return entries


def totals(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """{"stage", "jobs", "memo", "seconds", "foreseen", "dollars", "saved_seconds", "saved_dollars"} of each stage, then
    of all; `foreseen` is None where it is of a job."""
    return by_stage(entries, _total)


def as_json(entries: Sequence[Entry]) -> dict[str, Any]:
    """The ledger as data, with what its prices rest on."""
    return {
        "format": "sparring.ledger/1",
        "prices": price_source(),
        "jobs": [asdict(entry) for entry in entries],
        "stages": totals(entries),
    }


def _total(name: str, entries: Sequence[Entry]) -> dict[str, Any]:
    foreseen = [entry.foreseen for entry in entries]
    return {
        "stage": name,
        "jobs": len(entries),
        "memo": sum(entry.memo for entry in entries),
        "seconds": sum((entry.seconds for entry in entries), 0.0),
        "foreseen": None if None in foreseen else sum((one or 0.0 for one in foreseen), 0.0),
        "dollars": sum((entry.dollars for entry in entries), 0.0),
        "saved_seconds": sum((entry.saved_seconds for entry in entries), 0.0),
        "saved_dollars": sum((entry.saved_dollars for entry in entries), 0.0),
    }


def _benchmark(path: Path) -> tuple[float, float | None]:
    """(seconds, GiB at the peak or None) of Snakemake's record of a job."""
    try:
        with path.open(newline="") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        peak = row.get("max_rss") or "NA"
        return float(row["s"]), None if peak in ("NA", "-") else float(peak) / 1024
    except (StopIteration, KeyError, ValueError) as error:
        raise SparringError(f"{path} is no benchmark record of Snakemake's ({error!r}); run its job again") from None


def _measured(job: PlannedJob, store: Store) -> dict[str, Any]:
    """{"seconds", "machine"} of the action that gave the job's result, as the memo has it."""
    for path in job.outputs.values():
        record = read_record(path.as_posix())
        action = read_action(store, record.action) if record else None
        if action is not None:
            return dict(action.get("measured") or {})
    return {}
