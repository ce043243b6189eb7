"""Which action gave each file in `results/`, from which files: what retraction follows beyond the jobs of one run.

The records lie in `results/.sparring/`, so that `rm -r results` takes them along.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from sparring.canonical import pretty_json

RECORDS = Path("results/.sparring")


def write_record(target: Path, action: str, inputs: Mapping[str, Path]) -> None:
    """Notes that `target` (relative to the working directory) came of `action` and the files `inputs`."""
    path = _record(target.as_posix())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        pretty_json({"action": action, "inputs": {name: file.as_posix() for name, file in inputs.items()}})
    )


@dataclass(frozen=True)
class Record:
    """The key of the action that last gave a target (it may have been retracted since), and the target's inputs."""

    action: str
    inputs: Mapping[str, str]


def read_record(target: str, records: Path = RECORDS) -> Record | None:
    """The record of `target`; None where there is none or it was cut short."""
    try:
        raw = json.loads(_record(target, records).read_bytes())
        return Record(str(raw["action"]), dict(raw["inputs"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_records(records: Path = RECORDS) -> dict[str, Record | None]:
    """Every recorded target; None for a record cut short."""
    paths = sorted(records.glob("results/**/*.json"))
    targets = [path.relative_to(records).as_posix().removesuffix(".json") for path in paths]
    return {target: read_record(target, records) for target in targets}


def derived_from(targets: Iterable[str]) -> list[str]:
    """`targets` and every recorded file that derives from one of them, each after what it derives from."""
    found = set(targets)
    records = read_records()
    inputs = {target: tuple(record.inputs.values()) if record else () for target, record in records.items()}
    order = list(TopologicalSorter(inputs).static_order())
    for target in order:
        cut_short = target in records and records[target] is None  # it could derive from anything
        if cut_short or not found.isdisjoint(inputs.get(target, ())):
            found.add(target)
    return [target for target in [*sorted(found.difference(order)), *order] if target in found]


def retract(targets: Iterable[str]) -> list[str]:
    """Deletes `targets` and all that derives from them from `results/`, the furthest first; returns what was there.

    In a content-addressed store a name costs nothing to lose. Without this a failed run could leave a headline of the
    old code behind that Snakemake reports as up to date, or one that mixes two versions of the code.
    """
    gone = [target for target in reversed(derived_from(targets)) if Path(target).is_file()]
    for target in gone:
        Path(target).unlink()  # its record stays: `why` compares with the last good run
    return gone


def _record(target: str, records: Path = RECORDS) -> Path:
    return records / f"{target}.json"
