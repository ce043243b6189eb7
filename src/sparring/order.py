"""What a result waits for without reading it: a run makes that first, and no record of inputs tells.

A module of its own: records.py is in every job's code digest, and this decides no result.
"""

import json
from collections.abc import Mapping, Sequence

from sparring.canonical import pretty_json
from sparring.records import RECORDS

_NOTE = RECORDS / "order.json"


def note_order(after: Mapping[str, Sequence[str]]) -> None:
    """Notes {target: files it waits for}; what is noted of other targets stays."""
    RECORDS.mkdir(parents=True, exist_ok=True)
    noted = {**read_order(), **{target: list(files) for target, files in after.items()}}
    _NOTE.write_bytes(pretty_json({target: files for target, files in noted.items() if files}))


def read_order() -> dict[str, list[str]]:
    """What was noted by `note_order`."""
    try:
        return dict(json.loads(_NOTE.read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}
