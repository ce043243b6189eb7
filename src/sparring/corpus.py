"""A text source as one table of documents: document (int32, 0..n-1), id (str), text (str), in the source's order."""

import csv
import io
import json
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sparring.documents import write_documents
from sparring.errors import SparringError
from sparring.sources.fetch import fetch
from sparring.sources.source import Source

FORMATS = ("csv", "jsonl", "parquet", "txt")


def prepare_corpus(source: Source, *, format: str, out: Path, column: str = "text") -> dict[str, Any]:
    """Write documents.parquet into the empty folder `out`; return the counts.

    format: `csv`, `jsonl` or `parquet` with the text in `column`, or `txt` with one document a file. A zip is read for
    its members of that format, a folder for its files of it, both in the order of their names. Documents without text,
    and later copies of an equal text, are dropped: a copy could otherwise fall into another split.
    Raises SparringError for an unknown format, a file or column that is not there, or text that is not UTF-8.
    """
    if format not in FORMATS:
        raise SparringError(f"corpus format {format!r} is unknown; choose one of {', '.join(FORMATS)}")
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=out) as scratch:
        found = fetch(source, kind="dataset", scratch=Path(scratch))
        rows = [
            row for name, data in read_files(found, suffix=f".{format}") for row in _rows(name, data, format, column)
        ]
    first: dict[str, str] = {}
    for identity, text in rows:
        if text.strip():
            first.setdefault(text, identity)
    if not first:
        raise SparringError(f"corpus {source.uri}: no document with text in its .{format} files")
    write_documents(out, ids=list(first.values()), texts=list(first))
    empty = sum(not text.strip() for _, text in rows)
    return {
        "documents": len(first),
        "characters": sum(map(len, first)),
        "dropped": {"empty": empty, "duplicates": len(rows) - empty - len(first)},
    }


def read_files(path: Path, *, suffix: str) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of each file of a file, folder or zip that ends in `suffix`, in the order of the names."""
    if path.is_dir():
        for child in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in child.relative_to(path).parts)
            if child.is_file() and child.suffix == suffix and not hidden:
                yield child.relative_to(path).as_posix(), child.read_bytes()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(suffix):
                    yield name, archive.read(name)
    else:
        yield path.name, path.read_bytes()


def _rows(name: str, data: bytes, format: str, column: str) -> Iterator[tuple[str, str]]:
    """(id, text) of each document in one file; the id is the row's own `id` or `*_id`, else the file's name and row."""
    if format == "txt":
        yield name, read_utf8(name, data)
        return
    for number, row in enumerate(read_records(name, data, format)):
        if column not in row:
            raise SparringError(f"corpus file {name}: no column {column!r}; it has {', '.join(map(str, row))}")
        text = row[column] or ""
        if not isinstance(text, str):
            raise SparringError(f"corpus file {name}: row {number} of column {column!r} is no text: {text!r:.60}")
        named = next((row[key] for key in row if key == "id" or str(key).endswith("_id")), None)
        yield str(named) if named is not None else f"{name}:{number}", text


def read_records(name: str, data: bytes, format: str) -> Iterator[dict[str, Any]]:
    """The rows of one csv, jsonl or parquet file, as {column: value}."""
    if format == "parquet":
        try:
            file = pq.ParquetFile(io.BytesIO(data))
        except pa.ArrowInvalid as error:
            raise SparringError(f"corpus file {name}: not a parquet file ({error})") from error
        for batch in file.iter_batches():
            yield from batch.to_pylist()
    elif format == "jsonl":
        for number, line in enumerate(read_utf8(name, data).split("\n")):
            if line.strip():
                yield _json_object(f"{name}:{number + 1}", line)
    else:
        csv.field_size_limit(sys.maxsize)  # a long article exceeds the default of 131,072 characters
        yield from csv.DictReader(io.StringIO(read_utf8(name, data), newline=""))


def _json_object(where: str, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise SparringError(f"corpus file {where}: not JSON ({error.msg})") from error
    if not isinstance(row, dict):
        raise SparringError(f"corpus file {where}: not a JSON object; write one object with the text a line")
    return row


def read_utf8(name: str, data: bytes) -> str:
    """The text of a file. Raises SparringError, naming the byte, where it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SparringError(f"corpus file {name}: not UTF-8 at byte {error.start}; convert it first") from error
