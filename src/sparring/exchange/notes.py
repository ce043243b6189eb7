"""When contents were first seen: of two stores the earlier time holds.

A result says whether its plan was hashed before its scores existed (registration.py). Were notes left behind, scores
that were pulled could look older than their plan, or a plan older than scores that another machine had long before.
"""

import contextlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sparring.errors import SparringError
from sparring.exchange.places import Place
from sparring.layout import note_path
from sparring.manifest import content_of
from sparring.records import read_records


def contents_here() -> set[str]:
    """The contents of all results here: what a plan may be older or younger than, whatever is moved."""
    found = set()
    for target in read_records():
        with contextlib.suppress(SparringError):  # one that was edited by hand has no content; a run will say so
            found |= {content_of(Path(target))} if Path(target).is_file() else set()
    return found


def carry_notes(source: Place, dest: Place, contents: Iterable[str]) -> None:
    """Where `source` saw one of `contents` before `dest` did, `dest` notes the earlier time."""
    wanted = sorted(set(contents))
    with ThreadPoolExecutor(8) as pool:  # a Volume answers each in its own time
        ours = list(pool.map(lambda content: _note(source, content), wanted))
        theirs = list(pool.map(lambda content: _note(dest, content), wanted))
    both = zip(wanted, ours, theirs, strict=True)
    earlier = {note_path(one): our for one, our, their in both if our is not None and (their is None or our < their)}
    dest.write({path: f"{our}\n".encode() for path, our in earlier.items()})


def _note(place: Place, content: str) -> int | None:
    data = place.read(note_path(content))
    try:
        return None if data is None else int(data)
    except ValueError:
        return None
