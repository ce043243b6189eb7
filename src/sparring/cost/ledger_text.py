"""The ledger to read, in a terminal or as Markdown."""

from collections.abc import Sequence

from sparring.cost.ledger import Entry, totals
from sparring.cost.plan_text import columns, dollars, prices_line, took
from sparring.words import table

_STAGES = ("stage", "jobs", "memo", "took", "foreseen", "dollars", "memo saved", "dollars saved")
_JOBS = ("job", "took", "foreseen", "dollars", "memory, GiB", "memo saved", "machine")


def as_text(entries: Sequence[Entry], *, here: bool) -> str:
    """Jobs, then stages, for a terminal."""
    return "\n".join(
        [columns(_JOBS, _jobs(entries)), "", columns(_STAGES, _stages(entries)), "", prices_line(here=here)]
    )


def as_markdown(entries: Sequence[Entry], *, here: bool) -> str:
    """A page: stages, then jobs."""
    said = ["# What it took and cost", "", table(_STAGES, _stages(entries)), "", table(_JOBS, _jobs(entries))]
    return "\n".join([*said, "", prices_line(here=here), ""])


def _stages(entries: Sequence[Entry]) -> list[list[str]]:
    return [
        [
            one["stage"],
            str(one["jobs"]),
            str(one["memo"]),
            took(one["seconds"]),
            took(one["foreseen"]),
            dollars(one["dollars"]),
            took(one["saved_seconds"]),
            dollars(one["saved_dollars"]),
        ]
        for one in totals(entries)
    ]


def _jobs(entries: Sequence[Entry]) -> list[list[str]]:
    return [
        [
            entry.job,
            took(entry.seconds),
            "memo" if entry.memo else took(entry.foreseen),
            dollars(entry.dollars),
            "" if entry.memory_gib is None else f"{entry.memory_gib:.2f}",
            took(entry.saved_seconds) if entry.memo else "",
            entry.machine,
        ]
        for entry in entries
    ]
