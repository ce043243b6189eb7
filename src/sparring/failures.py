"""Why a job stopped, noted beside the records, so that whoever waits for its result can be told.

A note holds the run (`sparring.runs`) it belongs to: one of an earlier run says nothing about this one.
"""

import json
import os
from pathlib import Path

from sparring.canonical import pretty_json
from sparring.records import RECORDS
from sparring.runs import RUN_VARIABLE

_FOLDER = RECORDS / "failures"


def note_failure(job: str, reason: str) -> None:
    """Notes that the job called `job` stopped for `reason` in this run."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    (_FOLDER / f"{job}.json").write_bytes(pretty_json({"run": os.environ.get(RUN_VARIABLE), "reason": reason}))


def failure(job: str, folder: Path = _FOLDER) -> str | None:
    """Why the job called `job` stopped in this run; None if it did not, or did not say."""
    try:
        note = json.loads((folder / f"{job}.json").read_bytes())
    except (OSError, ValueError):
        return None
    return str(note["reason"]) if note["run"] == os.environ.get(RUN_VARIABLE) else None
