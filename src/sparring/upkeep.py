"""Upkeep of the store: `sparring verify` re-hashes it, `sparring gc` drops what nothing refers to any more."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.canonical import sha256_file
from sparring.manifest import read_manifest
from sparring.memo import job_name, read_action
from sparring.progress import progress
from sparring.records import RECORDS, read_records
from sparring.registry.keys import job_keys, run_keys
from sparring.store import Store


@dataclass(frozen=True)
class Damage:
    """A damaged object, where it was put, and the jobs whose results need it."""

    sha256: str
    quarantined: Path
    makers: tuple[str, ...]


def verify(store: Store) -> tuple[int, list[Damage]]:
    """Re-hashes every object; damaged ones are quarantined, so that the memo no longer answers with them.

    Returns the number of objects and what was damaged. The makers run again when a target next needs the object.
    """
    paths = sorted((store.root / "objects").glob("*/*"))
    bad = []
    with progress(sum(path.stat().st_size for path in paths), desc="verify", unit="B") as bar:
        for path in paths:
            size = path.stat().st_size
            if sha256_file(path) != path.name:
                bad.append(path.name)
            bar.update(size)
    makers: dict[str, set[str]] = {}
    for record in _actions(store).values():
        for sha256 in _objects(record):
            makers.setdefault(sha256, set()).add(job_name(record["action"]["rule"], record["action"]["wildcards"]))
    return len(paths), [Damage(name, store.quarantine(name), tuple(sorted(makers.get(name, ())))) for name in bad]


def collect(store: Store, *, keep_days: float, dry_run: bool) -> tuple[int, int]:
    """Deletes objects and action records that no result needs and that are older than `keep_days`.

    A result is any file that a job put into a working directory which uses this store (`Store.users`), also one that
    was retracted since. Whatever is younger than `keep_days` stays, and so do the results of a study's runs, with the
    records (not the objects) of what led to them. Returns (number of objects, their bytes).
    Raises SparringError while a job runs: what it makes or takes from the memo is not referred to yet.
    """
    with contextlib.nullcontext() if dry_run else store.unused():
        return _collect(store, keep_days, dry_run)


def _collect(store: Store, keep_days: float, dry_run: bool) -> tuple[int, int]:
    records = _actions(store)
    before = time.time() - keep_days * 86_400
    needed = {key for key in records if store.action_path(key).stat().st_mtime > before}
    needed |= set(run_keys(store))  # the registry is a query over them
    kept: set[str] = set()
    for results in store.users():
        needed |= {record.action for record in read_records(results / RECORDS.name).values() if record}
        manifests = [read_manifest(path) for path in results.rglob("*.json")]
        kept |= {blob.sha256 for manifest in manifests if manifest for blob in manifest.files.values()}
    for key in needed & records.keys():
        kept |= _objects(records[key])
    number = size = 0
    for path in sorted((store.root / "objects").glob("*/*")):
        stat = path.stat()
        if path.name not in kept and stat.st_mtime <= before:
            number, size = number + 1, size + stat.st_size
            if not dry_run:
                path.unlink()
    if not dry_run:
        for key in records.keys() - needed - job_keys(store):  # what a run rests on is told, its objects may go
            store.action_path(key).unlink()
    return number, size


def _actions(store: Store) -> dict[str, dict[str, Any]]:
    keys = [path.stem for path in sorted((store.root / "actions").glob("*/*.json"))]
    return {key: record for key in keys if (record := read_action(store, key))}


def _objects(record: dict[str, Any]) -> set[str]:
    return {blob["sha256"] for blob in (*record["outputs"].values(), *record["objects"])}
