"""The registry as files: JSON with everything, parquet with a line a figure, Markdown and text to read."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sparring.canonical import pretty_json
from sparring.registry.kept import Row
from sparring.words import plain_interval

_PER_RUN = ("study", "run", "what", "status", "code_digest", "spec_digest", "git_revision", "made", "wall_seconds")
_SHOWN = 6  # figures of a row
_SAID = 8  # changes of a row
# What a reader looks for first in a row.
_FIRST = (
    "variance_explained mean_l0 sae_top_1 residual_top_1 sae_full residual_full detection_difference fuzz_difference "
    "detection fuzz accuracy ceiling baseline_success first_fvu final_fvu training.steps training.final_fvu"
).split()
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in _PER_RUN[:-1]),
        ("wall_seconds", pa.float64()),
        ("dollars", pa.float64()),
        ("figure", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
        ("expected_low", pa.float64()),
        ("expected_high", pa.float64()),
    ]
)


def write_registry(rows: Sequence[Row], out: Path) -> None:
    """Write `result` (JSON), `table` (parquet) and `page` (Markdown) into the folder `out`."""
    (out / "result").write_bytes(pretty_json({"format": "sparring.registry/1", "rows": list(rows)}))
    pq.write_table(pa.Table.from_pylist(list(_lines(rows)), schema=_SCHEMA), out / "table")
    (out / "page").write_text(registry_page(rows))


def registry_page(rows: Sequence[Row]) -> str:
    """One table of all runs, then why each that is not simply new or reproduced is what it is."""
    lines = [
        "# Runs",
        "",
        "A row for each run result in the store, made by no hand. Reproduced: every figure with an expected range lies",
        "in it; novel: no range was expected; inconclusive: the verdict or the instrument says so; superseded: a later",
        "result of the same run, or of the run that replaces it, counts; failed: with the reason below.",
        "",
        "| study | run | status | figures | code | seconds | dollars |",
        "| --- | --- | --- | --- | --- | ---: | ---: |",
    ]
    lines += [
        f"| {row['study']} | {row['run']} | {row['status']} | {'; '.join(shown(row))} | `{row['code_digest'][:8]}` "
        f"| {'' if row['wall_seconds'] is None else round(row['wall_seconds'])} | {_dollars(row)} |"
        for row in rows
    ]
    for row in rows:
        said = [*row["reasons"], *(f"Since then: {change}." for change in row["changed"][:_SAID])]
        said += [f"And {more} more changes."] if (more := len(row["changed"]) - _SAID) > 0 else []
        if said:
            lines += ["", f"**{row['run']}** ({row['study']}, {row['status']}, `{row['code_digest'][:8]}`)", ""]
            lines += [f"- {sentence}" for sentence in said]
    return "\n".join([*lines, ""])


def shown(row: Mapping[str, Any]) -> list[str]:
    """The first figures of a row in words: those with an expected range, then the best known, then the others."""
    order = sorted(row["figures"], key=lambda name: (name not in row["expected"], _rank(name)))
    return [_shown(name, row["figures"][name]) for name in order[:_SHOWN]]


def _rank(name: str) -> int:
    for known in (name, name.partition(".")[2]):  # of several arms, the arm stands before the figure
        if known in _FIRST:
            return _FIRST.index(known)
    return len(_FIRST)


def _shown(name: str, figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return f"{name} not measured"
    interval = "" if figure["ci95"] is None else f" {plain_interval(figure['ci95'])}"
    return f"{name} {figure['value']:.4g}{interval}"


def _lines(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    for row in rows:
        common = {name: row[name] for name in _PER_RUN} | {"dollars": row["cost"]["dollars"]}
        if not row["figures"]:
            yield common
        for name, figure in row["figures"].items():
            low, high = figure["ci95"] or (None, None)
            expected = row["expected"].get(name, (None, None))
            yield {
                **common,
                "figure": name,
                "value": figure["value"],
                "low": low,
                "high": high,
                "n": figure["n"],
                "expected_low": expected[0],
                "expected_high": expected[1],
            }


def _dollars(row: Row) -> str:
    dollars = row["cost"]["dollars"]
    return "" if dollars is None else f"{dollars:.2f}"
