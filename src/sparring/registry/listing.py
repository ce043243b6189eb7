"""The registry in a terminal, and a choice of its rows."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from sparring.registry.kept import Row
from sparring.registry.table import shown

_COLUMNS = ("study", "run", "status")


def chosen(rows: Sequence[Row], *, runs: Sequence[str], study: str, statuses: Collection[str]) -> list[Row]:
    """The rows whose run matches one of the patterns `runs`, of studies that match `study`, with one of `statuses`."""
    return [
        row
        for row in rows
        if fnmatchcase(row["study"], study)
        and row["status"] in statuses
        and any(fnmatchcase(row["run"], pattern) for pattern in runs)
    ]


def as_text(rows: Sequence[Row]) -> str:
    """A line a run: study, run, status, the start of its code digest, figures or else the first reason."""
    if not rows:
        return "no run in this store fits"
    widths = {name: max(len(row[name]) for row in rows) for name in _COLUMNS}
    return "\n".join(
        "  ".join(
            [
                *(row[name].ljust(width) for name, width in widths.items()),
                row["code_digest"][:8],
                "; ".join(shown(row) or row["reasons"][-1:]),
            ]
        )
        for row in rows
    )
