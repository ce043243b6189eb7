"""The transfer: objects first, then when they were first seen, then the records; each only once.

A record is written when all its objects are there, so no memo answers with what is missing. What was moved before a
failure stays: the same command goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparring.canonical import sha256_file
from sparring.errors import SparringError
from sparring.exchange.answers import Answer, brought_answer, read_answer
from sparring.exchange.notes import carry_notes, contents_here
from sparring.exchange.places import Folder, Moved, Place, Unfit, take_in
from sparring.layout import action_path
from sparring.manifest import content_of, read_manifest
from sparring.progress import progress
from sparring.records import RECORDS
from sparring.store import Blob


@dataclass(frozen=True)
class Way:
    """From one store to another, one of them this machine's, `here`."""

    here: Folder
    source: Place
    dest: Place

    @property
    def verb(self) -> str:
        """What is done, for messages."""
        return "pulled" if self.dest is self.here else "pushed"


@dataclass(frozen=True)
class Item:
    """A result and the record of its action; what of that `dest` lacks, and whether it answers the action already."""

    target: str
    key: str
    answer: Answer
    lacking: tuple[Blob, ...]
    answered: bool

    def names(self) -> dict[str, str]:
        """{sha256: file}, as far as the result, where it is here, tells."""
        path = Path(self.target)
        if not path.is_file():
            return {}
        manifest = read_manifest(path)
        files = {blob.sha256: name for name, blob in manifest.files.items()} if manifest else {}
        return {sha256_file(path): path.name, **files}


def plan(way: Way, keys: Mapping[str, str]) -> tuple[list[Item], list[str]]:
    """What there is to do for {target: key}, and a line for each target that cannot be moved."""
    items, problems = [], []
    for target, key in keys.items():
        try:
            items.append(_item(way, target, key))
        except Unfit as error:
            problems.append(str(error))
    return items, problems


def _item(way: Way, target: str, key: str) -> Item:
    answer = read_answer(way.dest, key)
    answered = answer is not None and all(map(way.dest.has, answer.blobs))
    owner = way.dest if answered else way.source
    if not answered:  # an answer that stands is never replaced: others rest on it
        brought = brought_answer(key) if way.source.away else None
        answer = brought or read_answer(way.source, key)
    if answer is None:
        raise Unfit(f"{target}: {owner.name} has no record of how it was made; make it there first")
    if Path(target).is_file() and sha256_file(Path(target)) not in {blob.sha256 for blob in answer.outputs}:
        raise Unfit(
            f"{target} is not what {owner.name} has of the same action; delete it to go by that, and run the same "
            "command again"
        )
    lacking = () if answered else tuple(blob for blob in answer.blobs if not way.dest.has(blob))
    return Item(target, key, answer, lacking, answered)


def move(way: Way, items: list[Item]) -> tuple[list[Blob], list[str]]:
    """Moves what `dest` lacks; the objects that went over, and a line for each that could not.

    SparringError where nothing more can be moved: a full disk, a store that cannot be reached.
    """
    moved: dict[Blob, None] = {}
    failed: dict[Blob, str] = {}
    total = sum(blob.bytes for blob in {blob for item in items for blob in item.lacking})
    with progress(total, desc=way.verb, unit="B") as bar:
        for item in items:
            for blob in item.lacking:
                if blob not in moved and blob not in failed:
                    try:
                        _carry(way, item, blob, bar.update)
                        moved[blob] = None
                    except Unfit as error:
                        failed[blob] = str(error)
    there = [item for item in items if failed.keys().isdisjoint(item.lacking)]
    here = way.here.store
    outputs = {here.path(blob.sha256) for item in there for blob in item.answer.outputs if here.has(blob)}
    inputs = {content for item in there for content in item.answer.inputs}
    carry_notes(way.source, way.dest, {*map(content_of, outputs), *inputs, *contents_here()})
    way.dest.write({action_path(item.key): item.answer.record for item in there if not item.answered})
    if way.dest.away:  # a run there plans by what lies beside the results (outdated.py)
        for item in there:
            beside = RECORDS / action_path(item.key)
            beside.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(item.answer.record)
    return list(moved), list(failed.values())


def _carry(way: Way, item: Item, blob: Blob, moved: Moved) -> None:
    said = f"{item.target}: object {blob.sha256}"
    try:
        if way.dest is not way.here:
            way.dest.send(blob, _verified(way.here, blob, item), moved)
        elif not way.source.has(blob):
            raise Unfit(f"{said} is missing from {way.source.name} or was cut short; {_anew(way.source, item)}")
        elif not take_in(way.here.store, blob, lambda path: way.source.fetch(blob, path, moved)):
            raise Unfit(
                f"{said} of {way.source.name} is damaged; take it away (`{way.source.removal(blob)}`), "
                f"then {_anew(way.source, item)}"
            )
    except OSError as error:
        if "No space left on device" not in str(error):
            raise
        raise SparringError(
            f"the disk of {way.dest.name} is full; free some space, then run the same command again: it goes on"
        ) from error


def _verified(here: Folder, blob: Blob, item: Item) -> Path:
    try:
        return here.store.verified(blob)
    except SparringError as error:
        what = str(error).rpartition("; ")[0]  # its mend is for a job
        raise Unfit(f"{item.target}: {what}; `snakemake {item.target}` makes it anew") from None


def _anew(place: Place, item: Item) -> str:
    return f"push it there from a store that has it, or delete {item.target} and run it there again"
