"""Labelled texts: no text in both splits, what is dropped is counted, every mistake is one line; and their rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from probing_data import CLASSES, PLAIN, tiny_task, topic_folder
from tiny import tiny_subject

from sparring.errors import SparringError
from sparring.probing.labelled import read_task, write_task
from sparring.probing.pooling import pooled
from sparring.probing.task import prepare_task
from sparring.probing.task_rows import TaskRows, capture_task
from sparring.sources import hub
from sparring.sources.source import Source
from sparring.subject_model import SiteReader, load_subject
from sparring.tokenizer import load_tokenizer

SITES = ("layers.0.resid_post", "layers.1.mlp.in")
COMMIT = "1" * 40


def content(folder: Path) -> dict[str, set[str]]:
    task = read_task(folder)
    return {
        split: {
            " ".join(text.split()) for text, is_train in zip(task.texts, task.is_train, strict=True) if is_train == t
        }
        for split, t in (("train", True), ("test", False))
    }


def test_no_text_is_in_both_splits_and_what_is_dropped_is_counted(tmp_path: Path) -> None:
    topics = topic_folder(tmp_path / "topics")
    first = (topics / "money" / "000.txt").read_text()
    (topics / "money" / "a-copy.txt").write_text(first.replace(" ", "\n "))  # blanks aside the same
    (topics / "rain" / "both.txt").write_text("a storm hits the bank")
    (topics / "money" / "both.txt").write_text("a storm hits the bank")
    (topics / "sport" / "latin.txt").write_bytes("2.5m £".encode("latin-1"))
    (topics / "sport" / "word.txt").write_text("goal")
    meta = tiny_task(tmp_path / "task", topics)
    assert meta["dropped"] == {"copies": 2, "not UTF-8": 1, "several labels": 1, "too short": 1}
    assert meta["classes"] == list(CLASSES) and meta["texts"] == {"train": 10, "test": 6} and meta["unused"] == 6
    task, split = read_task(tmp_path / "task"), content(tmp_path / "task")
    assert not split["train"] & split["test"] and len(split["train"]) == 30 and len(split["test"]) == 18
    assert "a storm hits the bank" not in split["train"] | split["test"]
    for label in CLASSES:
        assert [len(task.of(label, part)) for part in ("train", "test")] == [10, 6]
        assert all(task.texts[n].split()[1] in (CLASSES[label] + " the of said mayor") for n in task.of(label, "test"))


def test_the_split_is_by_seed_and_text_alone(tmp_path: Path) -> None:
    topics = topic_folder(tmp_path / "topics")
    tiny_task(tmp_path / "a", topics)
    tiny_task(tmp_path / "fewer", topics, train=10)
    tiny_task(tmp_path / "other", topics, seed=1)
    for label in CLASSES:  # read in another order, from files of other names
        for path in (topics / label).iterdir():
            path.rename(path.with_name(f"{len(path.read_text())}-{path.name}"))
    tiny_task(tmp_path / "renamed", topics)
    a = content(tmp_path / "a")
    assert content(tmp_path / "renamed") == a
    assert content(tmp_path / "fewer")["test"] == a["test"] and content(tmp_path / "fewer")["train"] < a["train"]
    assert content(tmp_path / "other")["test"] != a["test"]


def biographies(path: Path, number: int = 40) -> None:
    rng = np.random.default_rng(0)
    rows = [(f"{n} works as {job}", job, int(rng.integers(0, 2))) for job in (13, 21) for n in range(number)]
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("hard_text", "profession", "gender")
    pq.write_table(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), path)


BIOGRAPHIES: dict[str, Any] = {
    **PLAIN,
    "format": "parquet",
    "text": "hard_text",
    "label": "profession",
    "balance": "gender",
    "labels": ["21", "13"],
    "train": 24,
    "test": 12,
}


def test_biographies_come_from_the_hub_balanced_by_gender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(repository: str, *, local_dir: Path, **options: Any) -> None:
        assert repository == "LabHC/bias_in_bios" and options["revision"] == COMMIT
        biographies(local_dir / "data" / "train-00000-of-00001.parquet")

    monkeypatch.setattr(hub, "snapshot_download", download)
    (tmp_path / "out").mkdir()
    meta = prepare_task(Source("hf:LabHC/bias_in_bios", revision=COMMIT), **BIOGRAPHIES, out=tmp_path / "out")
    assert meta["classes"] == ["21", "13"] and meta["texts"] == {"train": 12, "test": 6}
    biographies(tmp_path / "again.parquet")
    gender = {row["hard_text"]: row["gender"] for row in pq.read_table(tmp_path / "again.parquet").to_pylist()}
    task = read_task(tmp_path / "out")
    for label in ("21", "13"):
        for split, half in (("train", 6), ("test", 3)):
            assert sum(gender[task.texts[n]] for n in task.of(label, split)) == half


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no such class": ({"labels": ["rain", "war"]}, "no class 'war'; it has money, rain, sport"),
    "too few texts": ({"train": 40}, "'money' has 18 texts where 20 for training and 6 for testing are wanted"),
    "no text": ({"format": "jsonl", "label": "label"}, r"no labelled text in its \.jsonl files"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(tmp_path: Path, name: str) -> None:
    changes, said = MISTAKES[name]
    with pytest.raises(SparringError, match=said) as caught:
        tiny_task(tmp_path / "task", topic_folder(tmp_path / "topics"), **changes)
    assert "\n" not in str(caught.value)


def test_an_unknown_column_and_a_single_class_are_named(tmp_path: Path) -> None:
    biographies(tmp_path / "bios" / "a.parquet")
    wrong = {**BIOGRAPHIES, "label": "job"}
    with pytest.raises(SparringError, match=r"row 0 has no 'job'; its columns are hard_text, profession, gender"):
        tiny_task(tmp_path / "a", tmp_path / "bios", **wrong)
    topics = topic_folder(tmp_path / "topics")
    for label in ("rain", "sport"):
        for path in (topics / label).iterdir():
            path.unlink()
    with pytest.raises(SparringError, match="one class alone, 'money'"):
        tiny_task(tmp_path / "b", topics)


def test_a_text_in_both_splits_is_refused_whatever_put_it_there(tmp_path: Path) -> None:
    rows = {"train": [("1", "a", "one text")], "test": [("2", "a", "one\n text")]}
    with pytest.raises(SparringError, match="task: text 'one text' is in train and in test"):
        write_task(tmp_path, rows)


# Their rows


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("bfloat16", 1e-2)])
def test_rows_are_the_models_own_at_counted_tokens_of_each_beginning(
    tmp_path: Path, dtype: str, tolerance: float
) -> None:
    subject = tiny_subject(tmp_path / "subject", bos=True)
    tiny_task(tmp_path / "task", topic_folder(tmp_path / "topics"))
    (tmp_path / "rows").mkdir()
    meta = capture_task(
        subject, tmp_path / "task", context=24, sites=SITES, dtype=dtype, batch=5, out=tmp_path / "rows"
    )
    texts = read_task(tmp_path / "task").texts
    assert meta["texts"] == len(texts) == 48 and sorted(path.name for path in (tmp_path / "rows").iterdir()) == [
        "evaluation.h5"
    ]
    tokenizer, reader = load_tokenizer(subject), SiteReader(load_subject(subject), SITES)
    with TaskRows(tmp_path / "rows") as rows:
        batches = {size: list(rows.batches(SITES[1], size)) for size in (5, 48)}
        assert len(rows.tokens) == meta["rows"]
    for number, text in enumerate(texts):
        ids = [1, *tokenizer(text, add_special_tokens=False)["input_ids"]][:24]
        expected = reader.read(torch.tensor([ids]))[SITES[1]][0, 1:]
        batch = batches[5][number // 5]
        torch.testing.assert_close(
            batch.acts[number % 5][batch.counted[number % 5]], expected, rtol=tolerance, atol=tolerance / 10
        )
    means = {size: torch.cat([pooled(*batch) for batch in some]) for size, some in batches.items()}
    torch.testing.assert_close(means[5], means[48])
    assert torch.isfinite(means[5]).all()


def test_a_text_without_a_counted_token_is_named(tmp_path: Path) -> None:
    topics = topic_folder(tmp_path / "topics")
    (topics / "rain" / "specials.txt").write_text("<eos> <eos>")
    tiny_task(tmp_path / "task", topics, labels=["rain", "sport"], train=24, test=12)
    found = [text for text in read_task(tmp_path / "task").texts if "<eos>" in text]
    subject = tiny_subject(tmp_path / "subject")
    table = pq.read_table(tmp_path / "task" / "labelled.parquet")
    texts = ["<eos>" if n == 3 else text for n, text in enumerate(table["content"].to_pylist())]
    changed = table.set_column(table.schema.get_field_index("content"), "content", pa.array(texts))
    pq.write_table(changed, tmp_path / "task" / "labelled.parquet")
    (tmp_path / "rows").mkdir()
    with pytest.raises(SparringError, match=r"text '<eos>' has no token that counts") as caught:
        capture_task(
            subject, tmp_path / "task", context=16, sites=SITES, dtype="float32", batch=4, out=tmp_path / "rows"
        )
    assert "\n" not in str(caught.value) and len(found) <= 1
