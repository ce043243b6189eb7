"""What the memo's record of an action says, and which records stand behind a result."""

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.canonical import digest, pretty_json
from sparring.errors import SparringError
from sparring.exchange.places import Place
from sparring.layout import action_path
from sparring.order import read_order
from sparring.records import RECORDS, read_record
from sparring.store import Blob

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Answer:
    """A record of the memo: the contents its action read, the outputs it gave, and all objects it needs with them."""

    record: bytes
    inputs: frozenset[str]
    outputs: tuple[Blob, ...]
    blobs: tuple[Blob, ...]


def read_answer(place: Place, key: str) -> Answer | None:
    """What the memo of `place` answers action `key`; None where it has nothing, or something else."""
    return _parse(key, place.read(action_path(key)))


def brought_answer(key: str) -> Answer | None:
    """The same as the machine that ran the job sent it along from a store that is away."""
    path = RECORDS / action_path(key)
    return _parse(key, path.read_bytes() if path.is_file() else None)


def _parse(key: str, data: bytes | None) -> Answer | None:
    # It comes from elsewhere: what does not fit its name is no answer, and no path is made of what is no digest.
    try:
        raw: dict[str, Any] = json.loads(data or b"")
        outputs = tuple(Blob(**blob) for blob in raw["outputs"].values())
        objects = tuple(Blob(**blob) for blob in raw["objects"])
        inputs = frozenset(raw["action"]["inputs"].values())
        whole = digest(raw["action"]) == key and "code" in raw and all(isinstance(blob.bytes, int) for blob in objects)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    blobs = tuple(dict.fromkeys((*outputs, *objects)))
    names = [*inputs, *(blob.sha256 for blob in blobs)]
    return Answer(pretty_json(raw), inputs, outputs, blobs) if whole and all(map(_SHA256.fullmatch, names)) else None


def behind(targets: Iterable[str], *, upstream: bool) -> dict[str, str]:
    """{target: the key of the action that gave it}; with `upstream` of all that making them takes, too, those first.

    SparringError for a target that no record in results/ knows.
    """
    found: dict[str, str] = {}
    order = read_order()  # a run makes what a result waits for, too

    def visit(target: str) -> None:
        record = read_record(target)
        if record is None:
            raise SparringError(f"{target}: nothing in {RECORDS} tells how it was made; make it first, here or there")
        if target not in found:
            for path in (*record.inputs.values(), *order.get(target, ())) if upstream else ():
                if path.startswith("results/"):  # what lies elsewhere is a source
                    visit(path)
            found[target] = record.action

    for target in targets:
        visit(Path(os.path.relpath(target)).as_posix())
    return found
