"""`sparring plan TARGET`: before anything runs, each job with its hours, card, memory, dollars, and what those rest on.

Only jobs that Snakemake would launch are in it; one that the memo answers takes no time. Below a job that computes, the
memo may answer too (if what is upstream comes out as last time): such a job is planned as if it computed.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sparring.cards.cards import card
from sparring.cards.prices import price_source
from sparring.cost.predict import CPU, Known, predict
from sparring.cost.rented import Place
from sparring.cost.stages import by_stage
from sparring.lineage import of_jobs
from sparring.memory.jobs import CARD_RULES, job_demand
from sparring.memory.preflight import GIB, check, line
from sparring.why import ANSWERED, MAYBE, Answer


@dataclass(frozen=True)
class Row:
    """One job of the plan. seconds, dollars, memory_gib: None where they are not known; fits: on its card.

    rests_on: what the seconds rest on. refusal: why it does not fit, in a line, with what would.
    """

    job: str
    rule: str
    stage: str
    machine: str
    memo: bool
    seconds: float | None
    rests_on: str
    dollars: float | None
    memory_gib: float | None
    fits: bool | None
    refusal: str | None


def plan_rows(answers: Sequence[Answer], place: Place, known: Sequence[Known]) -> list[Row]:
    """A row for each job that would be launched, in an order in which they can run."""
    lineages = of_jobs([answer.job for answer in answers])
    rows = []
    for answer, lineage in zip(answers, lineages, strict=True):
        job = answer.job
        if not job.scheduled:
            continue
        rented = place.rented(job, lineage)
        kind = rented.card or CPU
        memory: float | None = None
        fits: bool | None = None
        refusal: str | None = None
        demand = job_demand(lineage, on_card=rented.card is not None) if job.rule in CARD_RULES else None
        if demand is not None and rented.card is not None:
            found = check(demand, card=rented.card, card_gib=card(rented.card).gib)
            memory, fits = found.needed_gib, found.fits
            refusal = None if found.fits else line(demand, found, rented.card)
        elif demand is not None:
            memory = sum(demand.parts().values()) / GIB
        seconds: float | None
        if answer.fate == ANSWERED:
            seconds, rests_on = 0.0, "the store has its result"
        else:
            predicted = predict(lineage, kind, known)
            seconds, rests_on = predicted.seconds, predicted.rests_on
            if answer.fate == MAYBE:
                rests_on += "; the store may have its result"
        dollars = 0.0 if place.here else None if seconds is None else seconds * rented.second
        rows.append(
            Row(
                job=job.name,
                rule=job.rule,
                stage=job.stage,
                machine=kind,
                memo=answer.fate == ANSWERED,
                seconds=seconds,
                rests_on=rests_on,
                dollars=dollars,
                memory_gib=memory,
                fits=fits,
                refusal=refusal,
            )
        )
    return rows


def stages(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A total for each stage, in the order in which they begin, and under "total" for all: {"stage", "jobs", "memo",
    "unknown", "card_seconds", "seconds", "dollars"}; sums leave out what is unknown, which `unknown` counts."""
    return by_stage(rows, _total)


def _total(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    known = [row for row in rows if row.seconds is not None]
    return {
        "stage": name,
        "jobs": len(rows),
        "memo": sum(row.memo for row in rows),
        "unknown": len(rows) - len(known),
        "card_seconds": sum((row.seconds or 0.0 for row in known if row.machine != CPU), 0.0),
        "seconds": sum((row.seconds or 0.0 for row in known), 0.0),
        "dollars": sum((row.dollars or 0.0 for row in rows), 0.0),
    }


def as_json(rows: Sequence[Row], place: Place) -> dict[str, Any]:
    """The plan as data."""
    return {
        "format": "sparring.plan/1",
        "prices": None if place.here else price_source(),
        "jobs": [asdict(row) for row in rows],
        "stages": stages(rows),
    }
