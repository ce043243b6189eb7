"""A plan to read: a line a job, a line a stage, what does not fit and what would; in a terminal or as Markdown."""

from collections.abc import Sequence
from typing import Any

from sparring.cards.prices import price_table
from sparring.cost.plan import Row, stages
from sparring.cost.predict import legend
from sparring.words import table

_JOBS = ("job", "on", "time", "dollars", "memory, GiB", "fits", "rests on")
_STAGES = ("stage", "jobs", "memo", "unknown", "on cards, h", "all, h", "dollars")


def took(seconds: float | None) -> str:
    """Seconds, minutes or hours as they are read: 42 s, 12 min, 1.5 h."""
    if seconds is None:
        return "unknown"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def dollars(value: float | None) -> str:
    """Dollars and cents; what is above 0 and below a cent says so."""
    if value is None:
        return "unknown"
    return "<0.01" if 0 < value < 0.005 else f"{value:.2f}"


def job_lines(rows: Sequence[Row]) -> list[list[str]]:
    """The cells of each job."""
    fits = {None: "", True: "yes", False: "NO"}
    return [
        [
            row.job,
            row.machine,
            took(row.seconds),
            dollars(row.dollars),
            "" if row.memory_gib is None else f"{row.memory_gib:.1f}",
            fits[row.fits],
            row.rests_on,
        ]
        for row in rows
    ]


def stage_lines(totals: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The cells of each stage and of the total."""
    return [
        [
            one["stage"],
            str(one["jobs"]),
            str(one["memo"]),
            str(one["unknown"]),
            f"{one['card_seconds'] / 3600:.2f}",
            f"{one['seconds'] / 3600:.2f}",
            dollars(one["dollars"]) + (" and more" if one["unknown"] and one["stage"] == "total" else ""),
        ]
        for one in totals
    ]


def as_text(rows: Sequence[Row], *, here: bool) -> str:
    """The plan for a terminal."""
    if not rows:
        return "nothing to be done"
    said = [columns(_JOBS, job_lines(rows)), "", columns(_STAGES, stage_lines(stages(rows))), ""]
    said += [f"does not fit: {one}" for one in refusals(rows)]
    return "\n".join([*said, prices_line(here=here), legend()])


def as_markdown(rows: Sequence[Row]) -> str:
    """The same as two tables of Markdown."""
    said = [table(_STAGES, stage_lines(stages(rows))), "", table(_JOBS, job_lines(rows), words=2), ""]
    return "\n".join([*said, *(f"- does not fit: {one}" for one in refusals(rows))])


def refusals(rows: Sequence[Row]) -> list[str]:
    """What does not fit and what would, jobs with the same reason together."""
    said = dict.fromkeys(row.refusal for row in rows if row.refusal)
    return [f"{', '.join(row.job for row in rows if row.refusal == one)}: {one}" for one in said]


def prices_line(*, here: bool) -> str:
    """What the dollars rest on."""
    if here:
        return "On this machine, which costs nothing; --card NAME or --profile FOLDER puts it on rented ones."
    prices, usual = price_table(), price_table()["rented"]
    return (
        f"{prices['provider']}'s prices of {prices['date']} (card, cores and memory of a sandbox; {usual['cores']:g} "
        "cores where nothing else is said). One job after another; retries and idle containers are not counted."
    )


def columns(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Lines whose cells stand below each other."""
    widths = [max(len(line[i]) for line in (header, *lines)) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (header, *lines)
    )
