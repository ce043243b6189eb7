"""Every format gives the same documents, in order, each text once, in the same bytes."""

import json
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparring.canonical import sha256_file
from sparring.corpus import prepare_corpus
from sparring.documents import read_documents
from sparring.errors import SparringError
from sparring.sources import hub
from sparring.sources.source import Source

ROWS = [("x1", "One, two."), ("x2", "Drei\nvier"), ("x3", "  "), ("x4", "One, two."), ("x5", "fünf “six”")]
TEXTS = ["One, two.", "Drei\nvier", "fünf “six”"]


def _write(folder, format):
    folder.mkdir()
    if format == "jsonl":
        (folder / "a.jsonl").write_text("\n".join(json.dumps({"id": i, "text": t}) for i, t in ROWS) + "\n")
    elif format == "parquet":
        pq.write_table(pa.table({"id": [i for i, _ in ROWS], "text": [t for _, t in ROWS]}), folder / "a.parquet")
    elif format == "csv":
        body = "\n".join(f'{i},"{t}"' for i, t in ROWS)
        (folder / "a.csv").write_text(f"article_id,text\n{body}\n", encoding="utf-8-sig")
    else:
        for identity, text in ROWS:
            (folder / f"{identity}.txt").write_text(text)
    return folder


def _zip(folder):
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir(), reverse=True):
            archive.write(file, file.name)
        archive.writestr("README.md", "not a document")
    return path


def _prepare(path, tmp_path, format, **options):
    out = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
    out.mkdir()
    meta = prepare_corpus(Source(f"path:{path}"), format=format, out=out, **options)
    return out, meta


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet", "txt"])
def test_every_format_gives_the_same_documents(tmp_path, format, packed):
    folder = _write(tmp_path / "data", format)
    out, meta = _prepare(_zip(folder) if packed else folder, tmp_path, format)
    assert read_documents(out) == TEXTS
    assert meta == {"documents": 3, "characters": 28, "dropped": {"empty": 1, "duplicates": 1}}
    table = pq.read_table(out / "documents.parquet")
    assert table.schema.field("document").type == pa.int32()
    assert table["document"].to_pylist() == [0, 1, 2]
    ending = ".txt" if format == "txt" else ""
    assert table["id"].to_pylist() == [f"x1{ending}", f"x2{ending}", f"x5{ending}"]


def test_same_documents_same_bytes(tmp_path):
    folder = _write(tmp_path / "data", "jsonl")
    first, _ = _prepare(folder, tmp_path, "jsonl")
    second, _ = _prepare(folder / "a.jsonl", tmp_path, "jsonl")
    assert sha256_file(first / "documents.parquet") == sha256_file(second / "documents.parquet")
    assert [p.name for p in first.iterdir()] == ["documents.parquet"]


@pytest.mark.parametrize(
    ("name", "data", "format", "says"),
    [
        ("a.jsonl", b'{"body": "x"}', "jsonl", "no column 'text'; it has body"),
        ("a.jsonl", b'{"text": 3}', "jsonl", "is no text: 3"),
        ("a.jsonl", b'{"text": ', "jsonl", "a.jsonl:1: not JSON"),
        ("a.jsonl", b'["text"]', "jsonl", "not a JSON object"),
        ("a.txt", b"\xff\xfe", "txt", "not UTF-8 at byte 0"),
        ("a.parquet", b"PAR0", "parquet", "not a parquet file"),
        ("a.txt", b" ", "txt", "no document with text"),
        ("a.txt", b"x", "pdf", "choose one of csv, jsonl"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, name, data, format, says):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SparringError, match=says) as error:
        _prepare(tmp_path / name, tmp_path, format)
    assert "\n" not in str(error.value)


def test_a_hub_data_set_is_asked_for_as_one_at_its_commit(tmp_path, monkeypatch):
    asked = {}

    def download(repository, *, local_dir, **options):
        asked.update(options, repository=repository)
        _write(local_dir, "parquet")
        (local_dir / ".cache").mkdir()
        (local_dir / ".cache" / "b.parquet").write_bytes(b"the hub's own")

    monkeypatch.setattr(hub, "snapshot_download", download)
    out = tmp_path / "out"
    out.mkdir()
    prepare_corpus(Source("hf:org/texts", member="data/train-*.parquet", revision="1" * 40), format="parquet", out=out)
    assert read_documents(out) == TEXTS
    assert asked["repo_type"] == "dataset" and asked["revision"] == "1" * 40
    assert asked["allow_patterns"] == ["data/train-*.parquet"]
    assert [p.name for p in out.iterdir()] == ["documents.parquet"]


def test_the_text_can_be_in_another_column(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"body": "x"}')
    out, _ = _prepare(tmp_path / "a.jsonl", tmp_path, "jsonl", column="body")
    assert read_documents(out) == ["x"]
