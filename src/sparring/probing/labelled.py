"""labelled.parquet: the texts of a task with their classes and splits.

text (int32, 0..n-1), id, label, split ("train" or "test"), content. Train lies before test, then classes in their
order, then texts in the order of their hash: that order is random and the same on every machine.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sparring.errors import SparringError

SPLITS = ("train", "test")
_FILE = "labelled.parquet"


class LabelledTexts(NamedTuple):
    """The texts of a task in their order, with their classes, and whether each is for training."""

    texts: list[str]
    labels: list[str]
    is_train: np.ndarray

    @property
    def classes(self) -> list[str]:
        """The classes in their order."""
        return list(dict.fromkeys(self.labels))

    def of(self, label: str, split: str) -> np.ndarray:
        """int64: the numbers of the texts of one class and split, ascending."""
        return np.flatnonzero((np.array(self.labels) == label) & (self.is_train == (split == "train")))


def write_task(folder: Path, rows: dict[str, list[tuple[str, str, str]]]) -> None:
    """Write {split: [(id, label, text)]} in the order given; the same texts, the same bytes.

    Raises SparringError for a text that is in both splits, blanks aside.
    """
    train, test = ({" ".join(text.split()) for _, _, text in rows[split]} for split in SPLITS)
    if both := train & test:
        raise SparringError(f"task: text {min(both)!r:.60} is in train and in test")
    every = [(split, *row) for split in SPLITS for row in rows[split]]
    columns = {"text": pa.array(range(len(every)), pa.int32())}
    for name, column in zip(("split", "id", "label", "content"), zip(*every, strict=True), strict=True):
        columns[name] = pa.array(column, pa.string())
    pq.write_table(pa.table(columns), folder / _FILE, compression="zstd")


def read_task(folder: Path) -> LabelledTexts:
    """The texts of a task's folder."""
    table = pq.read_table(folder / _FILE)
    is_train = np.array([split == "train" for split in table["split"].to_pylist()])
    return LabelledTexts(table["content"].to_pylist(), table["label"].to_pylist(), is_train)
