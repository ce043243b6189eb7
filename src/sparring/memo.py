"""The action memo: what was computed once is never computed again.

An action is (code digest, spec, wildcards, lock file, CONTENTS of the inputs). Its record names the bytes of every
output and every object those outputs refer to; the memo answers only when all of them are there.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparring.canonical import digest, pretty_json
from sparring.layout import action_path
from sparring.records import RECORDS
from sparring.store import Blob, Store


def job_name(rule: str, wildcards: Mapping[str, str]) -> str:
    """A job's name in logs, records and plans: its rule and its wildcards' values."""
    return "-".join([rule, *wildcards.values()])


@dataclass(frozen=True)
class Action:
    """All that decides what a job gives."""

    rule: str
    spec: Mapping[str, Any]
    wildcards: Mapping[str, str]
    inputs: Mapping[str, str]

    @property
    def name(self) -> str:
        """The job's name: its rule and its wildcards' values."""
        return job_name(self.rule, self.wildcards)

    @property
    def key(self) -> str:
        """Digest (sha256) of the action."""
        return digest(asdict(self))


def read_action(store: Store, key: str) -> dict[str, Any] | None:
    """The record of action `key`: action, code, outputs, objects. None where there is none, or it was cut short."""
    return _read(store.action_path(key))


def read_brought(key: str) -> dict[str, Any] | None:
    """The same, of an action that a store away from here keeps, as the job's machine sent it along."""
    return _read(_brought(key))


def send_along(store: Store, key: str) -> None:
    """Where the store is away from the results (SPARRING_AWAY), puts a copy of action `key`'s record beside them."""
    if os.environ.get("SPARRING_AWAY"):
        _brought(key).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(store.action_path(key), _brought(key))


def _brought(key: str) -> Path:
    return RECORDS / action_path(key)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None  # cut short is as good as none: the job runs and writes it anew
    return record if isinstance(record, dict) and record.keys() >= {"action", "code", "outputs", "objects"} else None


def recall(store: Store, action: Action) -> dict[str, Blob] | None:
    """The outputs of `action` by name, or None where it has not been done or something of it is missing."""
    record = read_action(store, action.key)
    if record is None:
        return None
    outputs = {name: Blob(**blob) for name, blob in record["outputs"].items()}
    referred = [Blob(**blob) for blob in record["objects"]]
    return outputs if all(map(store.has, [*outputs.values(), *referred])) else None


def remember(
    store: Store,
    action: Action,
    outputs: Mapping[str, Blob],
    objects: Sequence[Blob],
    code: Mapping[str, str],
    measured: Mapping[str, Any],
) -> None:
    """Records that `action`, run by `code` (definition: digest), gave `outputs`, which refer to `objects`.

    measured: {"seconds", "machine"}, what computing it took and where; it decides nothing.
    """
    record = {
        "action": asdict(action),
        "code": dict(code),
        "outputs": {name: asdict(blob) for name, blob in outputs.items()},
        "objects": [asdict(blob) for blob in objects],
        "measured": dict(measured),
    }
    store.write_action(action.key, pretty_json(record))
