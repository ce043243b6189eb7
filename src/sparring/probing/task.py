"""Labelled texts: without duplicates, split into train and test by a hash of each text before anything else is seen."""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sparring.corpus import read_files, read_records, read_utf8
from sparring.errors import SparringError
from sparring.probing.labelled import SPLITS, write_task
from sparring.sources.fetch import fetch
from sparring.sources.source import Source

_LEAST_WORDS = 2  # a text of one token has none that counts: position 0 is masked


class Found(NamedTuple):
    """One text as its source has it; `group` is its value in the column that classes are balanced by."""

    identity: str
    text: str
    label: str
    group: str


def prepare_task(
    source: Source,
    *,
    format: str,
    text: str,
    label: str | None,
    balance: str | None,
    labels: Sequence[str],
    train: int,
    test: int,
    seed: int,
    out: Path,
) -> dict[str, Any]:
    """Write labelled.parquet into the empty folder `out`; return the classes and the counts. Arguments: see `Task`.

    Texts of fewer than two words, files that are not UTF-8, later copies of a text (blanks aside) and all copies of one
    that bears several labels are dropped and counted.
    Raises SparringError for a column or class that is not there, or a class with too few texts.
    """
    dropped: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=out) as scratch:
        found = list(
            _found(fetch(source, kind="dataset", scratch=Path(scratch)), format, text, label, balance, dropped)
        )
    kept = _without_copies(found, dropped)
    if not kept:
        raise SparringError(f"task {source.uri}: no labelled text in its .{format} files")
    there = sorted({one.label for one in kept})
    wanted = list(labels) or there
    if absent := [name for name in wanted if name not in there]:
        raise SparringError(f"task {source.uri}: no class {absent[0]!r}; it has {', '.join(there[:40])}")
    if len(wanted) < 2:
        raise SparringError(f"task {source.uri}: one class alone, {wanted[0]!r}; a probe needs two")
    groups = sorted({one.group for one in kept if one.label in wanted})
    sizes = {"test": test // 2 // len(groups), "train": train // 2 // len(groups)}
    if not all(sizes.values()):
        raise SparringError(
            f"task {source.uri}: {len(groups)} values of {balance!r} share {sizes}; raise train and test"
        )
    rows: dict[str, list[Found]] = {"train": [], "test": []}
    for name in wanted:
        for group in groups:
            mine = [one for one in kept if (one.label, one.group) == (name, group)]
            _check_enough(source, name, group, len(mine), sizes)
            mine.sort(key=lambda one: hashlib.sha256(f"{seed}\n{one.text}".encode()).digest())
            # Test texts come first, so that another number of training texts leaves them as they are.
            rows["test"] += mine[: sizes["test"]]
            rows["train"] += mine[sizes["test"] : sizes["test"] + sizes["train"]]
    write_task(out, {split: [(one.identity, one.label, one.text) for one in rows[split]] for split in SPLITS})
    return {
        "classes": wanted,
        "texts": {split: len(rows[split]) // len(wanted) for split in SPLITS},
        "dropped": dict(sorted(dropped.items())),
        "unused": len(kept) - sum(map(len, rows.values())),
    }


def _found(
    path: Path, format: str, text: str, label: str | None, balance: str | None, dropped: Counter[str]
) -> Iterator[Found]:
    for name, data in read_files(path, suffix=f".{format}"):
        if label is None:
            try:
                yield Found(name, read_utf8(name, data), Path(name).parent.name, "")
            except SparringError:
                dropped["not UTF-8"] += 1
            continue
        for number, row in enumerate(read_records(name, data, format)):
            for column in filter(None, (text, label, balance)):
                if row.get(column) is None:
                    raise SparringError(
                        f"task file {name}: row {number} has no {column!r}; its columns are {', '.join(map(str, row))}"
                    )
            group = str(row[balance]) if balance else ""
            yield Found(f"{name}:{number}", str(row[text]), str(row[label]), group)


def _without_copies(found: list[Found], dropped: Counter[str]) -> list[Found]:
    first: dict[str, Found] = {}
    labels: dict[str, set[str]] = {}
    for one in found:
        words = one.text.split()
        if len(words) < _LEAST_WORDS:
            dropped["too short"] += 1
            continue
        content = " ".join(words)
        dropped["copies"] += content in first
        first.setdefault(content, one)
        labels.setdefault(content, set()).add(one.label)
    several = {content for content, names in labels.items() if len(names) > 1}
    dropped["several labels"] += len(several)
    return [one for content, one in first.items() if content not in several]


def _check_enough(source: Source, name: str, group: str, there: int, sizes: dict[str, int]) -> None:
    if there < sum(sizes.values()):
        of = f"class {name!r}" + (f" (balance {group!r})" if group else "")
        raise SparringError(
            f"task {source.uri}: {of} has {there} texts where {sizes['train']} for training and {sizes['test']} for "
            "testing are wanted; lower train or test, or name other labels"
        )
