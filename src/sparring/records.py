"""Which action gave each file in `results/`, from which files: what retraction follows beyond the jobs of one run.

The records lie in `results/.sparring/`, so that `rm -r results` takes them along.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from sparring.canonical import pretty_json

RECORDS = Path("results/.sparring")


def write_record(target: Path, action: str, inputs: Mapping[str, Path]) -> None:
    """Notes that `target` (relative to the working directory) came of `action` and the files `inputs`."""
    path = RECORDS / f"{target.as_posix()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"target": target.as_posix(), "action": action, "inputs": {k: v.as_posix() for k, v in inputs.items()}}
    path.write_bytes(pretty_json(record))


def read_records() -> dict[str, dict[str, object]]:
    """All records, by target. A record cut short counts as a target that derives from everything."""
    records: dict[str, dict[str, object]] = {}
    for path in sorted(RECORDS.rglob("*.json")):
        target = path.relative_to(RECORDS).as_posix().removesuffix(".json")
        try:
            records[target] = json.loads(path.read_bytes())
        except ValueError:
            records[target] = {"target": target, "inputs": None}
    return records


def derived_from(targets: Iterable[str]) -> set[str]:
    """`targets` and every recorded file that derives from one of them, transitively."""
    found = set(targets)
    records = read_records()
    grown = True
    while grown:
        new = {
            target
            for target, record in records.items()
            if target not in found
            and (record["inputs"] is None or not found.isdisjoint(record["inputs"].values()))  # type: ignore[attr-defined]
        }
        found |= new
        grown = bool(new)
    return found


def retract(targets: Iterable[str]) -> list[str]:
    """Deletes `targets` and all that derives from them from `results/`; returns what was there.

    In a content-addressed store a name costs nothing to lose. Without this a failed run could leave a headline of the
    old code behind that Snakemake reports as up to date, or one that mixes two versions of the code.
    """
    gone = sorted(target for target in derived_from(targets) if Path(target).is_file())
    for target in gone:
        Path(target).unlink()
        (RECORDS / f"{target}.json").unlink(missing_ok=True)
    return gone
