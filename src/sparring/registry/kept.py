"""The runs that a store keeps, newest last: what the registry is a query over."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sparring.canonical import sha256_file
from sparring.differences import changed
from sparring.memo import read_action
from sparring.registry.keys import run_keys
from sparring.registry.plan import SUPERSEDED
from sparring.store import Store

Row = dict[str, Any]


def registry(store: Store, results: Path = Path("results")) -> list[Row]:
    """A row for each run result in the store, sorted by study and run, a superseded one before what replaced it.

    Of several results of one run of one study that differ in code or study, the one that lies in `results` counts, else
    the newest; the others are superseded, and `changed` says what tells them from it. A run that names another in
    `superseded_by` is superseded once that one has a row.
    """
    by_run: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in _rows(store):
        by_run[row["study"], row["run"]].append(row)
    rows = []
    for (study, run), same in sorted(by_run.items()):
        current = _current(same, results / "runs" / f"{run}.json")
        for row in same:
            if row is not current:
                row["reasons"] = [*_was(row), *row["reasons"]]
                row |= {"status": SUPERSEDED, "superseded_by": run, "changed": _changed(store, row, current)}
        replaced = current["superseded_by"]
        if replaced and (study, replaced) in by_run:
            current |= {"reasons": [*_was(current), *current["reasons"]], "status": SUPERSEDED}
        rows += [*(row for row in same if row is not current), current]
    return rows


def _rows(store: Store) -> Iterator[Row]:
    for key in run_keys(store):
        action = read_action(store, key)
        assert action is not None
        blob = action["outputs"]["result"]
        path = store.path(blob["sha256"])
        if path.is_file():
            yield {**json.loads(path.read_bytes()), "changed": [], "action": key, "result": blob["sha256"]}


def _current(same: list[Row], published: Path) -> Row:
    here = sha256_file(published) if published.is_file() else None
    return next((row for row in same if row["result"] == here), same[-1])


def _was(row: Row) -> list[str]:
    return [f"It was {row['status']}."]


def _changed(store: Store, old: Row, new: Row) -> list[str]:
    said = changed(_code(store, old), _code(store, new)) if old["code_digest"] != new["code_digest"] else []
    if old["spec_digest"] != new["spec_digest"]:
        said.append("what the study says")
    return said or ["the contents of its inputs"]


def _code(store: Store, row: Row) -> dict[str, str]:
    """The code of all jobs that a row rests on, definition by definition. A failed one has it in its own record."""
    keys = [job["action"] for job in row["jobs"].values() if job["action"]] or [row["action"]]
    records = [read_action(store, key) for key in keys]
    return {name: digest for record in records if record for name, digest in record["code"].items()}
