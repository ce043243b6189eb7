"""A split's activations: laid out once, filled row by row at known offsets, so that no write searches the file.

One file a split, {split}.h5, so that a reader of one split reads, and re-hashes, that one alone.

/SPLIT/SITE         [row, d] float32, or uint16 holding bfloat16; attribute `dtype` says which; contiguous
/SPLIT/sequence     int32 [row]   index in tokens.safetensors      /SPLIT/document   int32 [row]
/SPLIT/position     int16 [row]   position in the sequence         /SPLIT/token      int32 [row]
"""

import os
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sparring.errors import SparringError

INDEX = {"sequence": np.int32, "position": np.int16, "document": np.int32, "token": np.int32}
STORED: dict[str, np.dtype] = {"float32": np.dtype("<f4"), "bfloat16": np.dtype("<u2")}


class Rows(NamedTuple):
    """Which activation each row of a split is: `sequence` int32, `position` int16, `document` int32, `token` int32."""

    sequence: np.ndarray
    position: np.ndarray
    document: np.ndarray
    token: np.ndarray


class RowFile:
    """The file laid out in full with its index, whose empty data sets are then filled by `write`. A context manager.

    rows: {split: what each of its rows is}. widths: {site: d}. dtype: a key of STORED.
    All space is taken from the disk at once, so that a full disk is an error before the first forward pass. Rows go to
    their places by plain writes at an offset: as quick as a memory map (1.4 s for 300,000 rows of 576), but the file
    never counts as the job's memory, and an error is an exception and no bus error.
    Raises SparringError if the disk has no room or a write fails.
    """

    def __init__(self, path: Path, *, rows: dict[str, Rows], widths: dict[str, int], dtype: str) -> None:
        self.path, self._dtype = path, dtype
        self._row_bytes = {site: width * STORED[dtype].itemsize for site, width in widths.items()}
        self._offsets: dict[tuple[str, str], int] = {}
        need = sum(len(index.token) for index in rows.values()) * sum(self._row_bytes.values())
        try:
            with h5py.File(path, "w") as file:
                for split, index in rows.items():
                    group = file.create_group(split)
                    for name, kind in INDEX.items():
                        group.create_dataset(name, data=getattr(index, name).astype(kind), track_times=False)
                    for site, width in widths.items():
                        self._offsets[split, site] = _reserve(group, site, (len(index.token), width), STORED[dtype])
                        group[site].attrs["dtype"] = dtype
            self._descriptor = os.open(path, os.O_RDWR)
            if hasattr(os, "posix_fallocate"):  # macOS has none: there a full disk shows at the write
                os.posix_fallocate(self._descriptor, 0, path.stat().st_size)
        except OSError as error:
            raise SparringError(f"activations: {need:,} bytes cannot be written to {path.parent} ({error})") from error

    def __enter__(self) -> "RowFile":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def write(self, split: str, site: str, rows: np.ndarray, values: Float[Tensor, "rows d"]) -> None:
        """Put `values[i]` into row `rows[i]` of a site; neighbouring rows go in one write."""
        if not len(rows):
            return
        order = np.argsort(rows, kind="stable")
        stored = _as_stored(values[torch.from_numpy(order)], self._dtype).data.cast("B")
        at, size, start = rows[order], self._row_bytes[site], self._offsets[split, site]
        edges = [0, *(np.flatnonzero(np.diff(at) != 1) + 1).tolist(), len(at)]
        try:
            for first, end in pairwise(edges):
                _write_all(self._descriptor, stored[first * size : end * size], start + int(at[first]) * size)
        except OSError as error:
            raise SparringError(f"activations {self.path}: {split} {site} not written ({error})") from error


def _write_all(descriptor: int, data: memoryview, offset: int) -> None:
    while data:  # one call may write less than it was given
        done = os.pwrite(descriptor, data, offset)
        data, offset = data[done:], offset + done


def _as_stored(values: Float[Tensor, "rows d"], dtype: str) -> np.ndarray:
    """Float32 values as they are stored: themselves, or rounded to bfloat16 (to nearest, ties to even) as uint16."""
    if dtype == "bfloat16":
        return values.to(torch.bfloat16).view(torch.uint16).numpy()
    return values.numpy()


def _reserve(group: h5py.Group, name: str, shape: tuple[int, int], stored: np.dtype) -> int:
    """Create one contiguous data set, placed in the file now and not filled; return where its bytes begin."""
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.CONTIGUOUS)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    layout.set_obj_track_times(False)
    space = h5py.h5s.create_simple(shape)
    dataset = h5py.h5d.create(group.id, name.encode(), h5py.h5t.py_create(stored), space, layout)
    return int(dataset.get_offset())
