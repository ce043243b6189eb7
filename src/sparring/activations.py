"""Activations of all wanted sites, from one forward pass over the tokens that stops after the last site.

Each site's rows are written once, to the place they keep: the training split in a seeded random order (so that a reader
of consecutive blocks sees shuffled rows), the others in document order. Only counted tokens have a row.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sparring.activation_file import STORED, RowFile, Rows
from sparring.device import device
from sparring.errors import SparringError
from sparring.progress import progress
from sparring.subject_model import SiteReader, load_subject
from sparring.token_file import SPLITS, Tokens, read_tokens


def capture(
    subject: Path,
    tokens: Path,
    *,
    sites: tuple[str, ...],
    dtype: str,
    batch: int,
    seed: int,
    splits: tuple[str, ...],
    out: Path,
    train_sites: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """Write {split}.h5 for `splits`, each with all `sites`, into the empty folder `out`; return widths and rows.

    train_sites: those of `sites` that the training split has (all of them); the others are only evaluated.

    dtype: `float32` or `bfloat16`, as stored; the model runs in float32 either way. batch: sequences a forward pass.
    seed: draws the order of the training rows.
    Raises SparringError for a site that the model lacks, a split without tokens, a value that is not finite (naming
    site, sequence and position), or a full disk.
    """
    if dtype not in STORED:
        raise SparringError(f"activations: dtype {dtype!r} is unknown; choose float32 or bfloat16")
    if not sites or len(set(sites)) < len(sites):
        raise SparringError(f"activations: sites {sites} are empty or repeated; name each wanted site once")
    data = read_tokens(tokens)
    model = load_subject(subject)
    of_split = {split: sites if split != "train" or train_sites is None else train_sites for split in splits}
    readers = {split: SiteReader(model, some) for split, some in of_split.items()}
    orders = {split: _order(data, split, seed) for split in splits}
    rows = {split: _rows(data, split, order) for split, order in orders.items()}
    widths = _widths(SiteReader(model, sites), data)
    total = sum(len(order) for order in orders.values())
    forward = 0
    with (
        contextlib.ExitStack() as stack,
        progress(total, desc=f"activations of {len(sites)} sites", unit="token") as bar,
    ):
        files = {
            split: stack.enter_context(
                RowFile(
                    out / f"{split}.h5",
                    rows={split: rows[split]},
                    widths={site: widths[site] for site in some},
                    dtype=dtype,
                )
            )
            for split, some in of_split.items()
        }
        for split, order in orders.items():
            place = np.empty_like(order)
            place[order] = np.arange(len(order))  # row i of the natural order is stored at place[i]
            for ids, picked, at in _batches(data, split, place, batch):
                found = readers[split].read(torch.from_numpy(ids).to(device(), torch.long))
                forward += ids.size
                for site in of_split[split]:
                    values = found[site][picked.to(device())].float().cpu()
                    _check_finite(values, site, rows[split], at)
                    files[split].write(split, site, at, values)
                bar.update(len(at))
    return {
        "sites": {site: {"d": widths[site], "dtype": dtype} for site in sites},
        "rows": {split: len(order) for split, order in orders.items()},
        "tokens_forward": forward,
    }


def _order(data: Tokens, split: str, seed: int) -> np.ndarray:
    """int64 [row]: the natural row (by sequence, then position) that each stored row holds."""
    counted = int(data.counted[data.of(split)].sum()) if split in SPLITS else 0
    if counted == 0:
        raise SparringError(
            f"activations: no tokens of split {split!r}; give it a budget, or leave it out of the splits"
        )
    if split == "train":
        return np.random.default_rng(seed).permutation(counted)
    return np.arange(counted)


def _rows(data: Tokens, split: str, order: np.ndarray) -> Rows:
    sequences = data.of(split)
    at, position = np.nonzero(data.counted[sequences])
    sequence = sequences[at]
    natural = Rows(sequence, position, data.document[sequence], data.tokens[sequence, position])
    return Rows(*(column[order] for column in natural))


def _widths(reader: SiteReader, data: Tokens) -> dict[str, int]:
    probe = reader.read(torch.from_numpy(data.tokens[:1, :1]).to(device(), torch.long))
    return {site: values.shape[-1] for site, values in probe.items()}


def _batches(
    data: Tokens, split: str, place: np.ndarray, batch: int
) -> Iterator[tuple[np.ndarray, Tensor, np.ndarray]]:
    """(ids [sequence, position], mask of the counted ones, the stored row of each) of one forward pass after another.

    Sequences of like length run together and are cut to the longest of them, so that next to no padding is run.
    """
    sequences = data.of(split)
    counted = data.counted[sequences].astype(bool)
    first = np.concatenate([[0], np.cumsum(counted.sum(1))])
    length = np.where(counted.any(1), counted.shape[1] - counted[:, ::-1].argmax(1), 0)
    by_length = np.argsort(-length, kind="stable")
    for start in range(0, len(by_length), batch):
        some = by_length[start : start + batch]
        longest = max(int(length[some].max()), 1)
        at = np.concatenate([place[first[i] : first[i + 1]] for i in some])
        yield data.tokens[sequences[some], :longest], torch.from_numpy(counted[some, :longest]), at


def _check_finite(values: Float[Tensor, "rows d"], site: str, rows: Rows, at: np.ndarray) -> None:
    bad = ~torch.isfinite(values).all(1)
    if bool(bad.any()):
        row = at[int(bad.nonzero()[0])]
        raise SparringError(
            f"activations of {site}: not finite at sequence {rows.sequence[row]}, position {rows.position[row]}; "
            f"{int(bad.sum())} such rows in this batch: the weights are damaged or the model overflows float32"
        )
