"""Which results are not what the code, the study and the store would give now, by our own records.

Snakemake's memory can be deleted (`.snakemake`), overruled (`--touch`, `--rerun-triggers`) or wrong (it takes a failed
job for done). The records beside the results say which action gave each of them; that is compared here, before
Snakemake plans. An outdated result is marked the way Snakemake marks what a killed job left behind: it runs again.
"""

import inspect
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparring.canonical import digest, sha256_file
from sparring.errors import NotInStudy, SparringError
from sparring.jobview import BESIDE
from sparring.manifest import content_of
from sparring.memo import read_action, read_brought
from sparring.records import Record, read_records
from sparring.registry.keys import run_keys
from sparring.specs import Specs
from sparring.store import Blob, Store

_MARKS = Path(".snakemake/incomplete")


def outdated(specs: Specs, store: Store | None) -> dict[str, str]:
    """{target in `results/`: why it has to be made again}. SparringError for a result that was edited by hand.

    store: None where jobs run on machines with a store of their own, which cannot be looked into from here.
    """
    found = {}
    for target, record in read_records().items():
        if Path(target).is_file() and (reason := _doubt(target, record, specs, store)):
            found[target] = reason
    return found


def mark(targets: Mapping[str, str]) -> None:
    """Lets Snakemake (with `rerun-incomplete`) make `targets` again where a run needs them."""
    for target in targets:
        _MARKS.mkdir(parents=True, exist_ok=True)
        (_MARKS / urlsafe_b64encode(target.encode()).decode()).write_text('{"external_jobid": null}')


def _doubt(target: str, record: Record | None, specs: Specs, store: Store | None) -> str | None:
    if record is None:
        return "nothing tells how it was made"
    action = read_action(store, record.action) if store else read_brought(record.action)
    if action is None:
        return "the store has no record of how it was made"
    outputs = [Blob(**blob) for blob in action["outputs"].values()]
    if sha256_file(Path(target)) not in {blob.sha256 for blob in outputs}:
        raise SparringError(f"{target} was edited by hand; move it away and run the same command again")
    planned = _planned(specs, action["action"]["rule"], action["action"]["wildcards"])
    if planned is not None and digest(planned) != digest(action["action"]["spec"]):
        return "the code or the study changed"
    if store is not None and (reason := _lacking(store, action, outputs)):
        return reason
    for name, path in record.inputs.items():
        # What lies outside results/ can be large; Snakemake watches its time stamp.
        here = path.startswith("results/") and Path(path).is_file()
        if here and content_of(Path(path)) != action["action"]["inputs"][name]:
            return f"{path} has other contents"
    return None


def _lacking(store: Store, action: Mapping[str, Any], outputs: Sequence[Blob]) -> str | None:
    missing = [blob for blob in (*outputs, *(Blob(**blob) for blob in action["objects"])) if not store.has(blob)]
    if missing:
        return f"object {missing[0].sha256} is missing from the store or was cut short"
    if BESIDE in action["action"]["inputs"] and action["action"]["inputs"][BESIDE] != digest(run_keys(store)):
        return "the store keeps other runs"
    return None


def _planned(specs: Specs, rule: str, wildcards: Mapping[str, str]) -> dict[str, Any] | None:
    method = getattr(specs, rule, None)
    known = specs.study.wildcards
    if method is None or any(value not in known.get(name, ()) for name, value in wildcards.items()):
        return None  # of a study with other rules, arms or tasks: no target of this run
    taken = inspect.signature(method).parameters
    if not taken.keys() <= wildcards.keys():
        return None  # of an older graph
    try:
        spec: dict[str, Any] = method(**{key: wildcards[key] for key in taken})
    except NotInStudy:
        return None
    return spec
