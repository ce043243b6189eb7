"""A task's activations: every site of the study from one forward pass over the beginning of each text.

Cached like the evaluated split (sparring.activations), in the order of the texts: `document` is the text's number, and
only counted tokens have a row, so what is masked there is masked here.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from safetensors.numpy import save_file
from torch import Tensor

from sparring.activation_cache import ActivationCache
from sparring.activations import capture
from sparring.probing.labelled import read_task
from sparring.probing.task_tokens import task_tokens
from sparring.token_file import SPLITS

_SPLIT = "evaluation"  # the split that `capture` writes in document order


class Batch(NamedTuple):
    """Some texts' rows, moved to the left and filled up with zeros, and which of them are rows."""

    acts: Float[Tensor, "text position d"]
    counted: Bool[Tensor, "text position"]


def capture_task(
    subject: Path, task: Path, *, context: int, sites: tuple[str, ...], dtype: str, batch: int, out: Path
) -> dict[str, Any]:
    """Write the rows of all `sites` into the empty folder `out`; return widths, texts and rows.

    Raises SparringError for a text without a token that counts, and as `capture` does.
    """
    texts = read_task(task).texts
    tokens, counted = task_tokens(subject, texts, context=context)
    split = np.full(len(texts), SPLITS.index(_SPLIT), np.uint8)
    columns = {"tokens": tokens, "counted": counted, "document": np.arange(len(texts), dtype=np.int32), "split": split}
    with tempfile.TemporaryDirectory(prefix=".tokens-", dir=out) as scratch:
        save_file(columns, Path(scratch) / "tokens.safetensors")
        meta = capture(subject, Path(scratch), sites=sites, dtype=dtype, batch=batch, seed=0, splits=(_SPLIT,), out=out)
    return {"sites": meta["sites"], "texts": len(texts), "rows": meta["rows"][_SPLIT], "context": context}


class TaskRows:
    """The rows that `capture_task` wrote. A context manager."""

    def __init__(self, folder: Path) -> None:
        self._cache = ActivationCache(folder)
        index = self._cache.index(_SPLIT)
        self.tokens: np.ndarray = index["token"]
        """int32 [row]"""
        self.text: np.ndarray = index["document"]
        """int32 [row]: the number of the text, ascending"""
        self._first = np.searchsorted(self.text, np.arange(int(self.text[-1]) + 2))

    def __enter__(self) -> "TaskRows":
        return self

    def __exit__(self, *_: object) -> None:
        self._cache.close()

    def batches(self, site: str, texts: int) -> Iterator[Batch]:
        """All texts in their order, `texts` at a time."""
        number = len(self._first) - 1
        for start in range(0, number, texts):
            edges = self._first[start : min(start + texts, number) + 1]
            rows = self._cache.span(_SPLIT, site, slice(int(edges[0]), int(edges[-1])))
            lengths = torch.from_numpy(np.diff(edges))
            counted = torch.arange(int(lengths.max())) < lengths[:, None]
            acts = torch.zeros(*counted.shape, rows.shape[1])
            acts[counted] = rows
            yield Batch(acts, counted)
