"""Which action gave each file in `results/`, from which files: what retraction follows beyond the jobs of one run.

The records lie in `results/.sparring/`, so that `rm -r results` takes them along.
"""

import json
from collections.abc import Iterable, Mapping
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


def last_action(target: Path) -> str | None:
    """The key of the action that last gave `target`, also where `target` was retracted since."""
    try:
        key: str = json.loads(_record(target.as_posix()).read_bytes())["action"]
    except (OSError, ValueError, KeyError):
        return None
    return key


def read_records() -> dict[str, list[str] | None]:
    """The files each recorded target was made from; None for a record cut short, which could derive from anything."""
    records: dict[str, list[str] | None] = {}
    for path in sorted(RECORDS.glob("results/**/*.json")):
        target = path.relative_to(RECORDS).as_posix().removesuffix(".json")
        try:
            records[target] = list(json.loads(path.read_bytes())["inputs"].values())
        except (ValueError, KeyError):
            records[target] = None
    return records


def derived_from(targets: Iterable[str]) -> list[str]:
    """`targets` and every recorded file that derives from one of them, each after what it derives from."""
    found = set(targets)
    records = read_records()
    order = list(TopologicalSorter({target: inputs or () for target, inputs in records.items()}).static_order())
    for target in order:
        inputs = records.get(target, [])
        if inputs is None or not found.isdisjoint(inputs):
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


def _record(target: str) -> Path:
    return RECORDS / f"{target}.json"
