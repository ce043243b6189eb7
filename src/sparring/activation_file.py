"""activations.h5: laid out once, filled row by row through memory maps, so that no write searches the file.

/SPLIT/SITE         [row, d] float32, or uint16 holding bfloat16; attribute `dtype` says which; contiguous
/SPLIT/sequence     int32 [row]   index in tokens.safetensors      /SPLIT/document   int32 [row]
/SPLIT/position     int16 [row]   position in the sequence         /SPLIT/token      int32 [row]
"""

import os
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


def lay_out(
    path: Path, *, rows: dict[str, Rows], widths: dict[str, int], dtype: str
) -> dict[tuple[str, str], np.memmap]:
    """Create the file with its index, and return {(split, site): writable memory map [row, d]} of the empty data sets.

    The space is taken from the disk here: a full disk is one error now instead of a bus error while writing a map.
    Raises SparringError if the disk has no room.
    """
    stored = STORED[dtype]
    need = sum(len(index.token) for index in rows.values()) * sum(widths.values()) * stored.itemsize
    places: dict[tuple[str, str], tuple[int, tuple[int, int]]] = {}
    try:
        with h5py.File(path, "w", track_order=False) as file:
            for split, index in rows.items():
                group = file.create_group(split)
                for name, kind in INDEX.items():
                    group.create_dataset(name, data=getattr(index, name).astype(kind), track_times=False)
                for site, width in widths.items():
                    places[split, site] = _reserve(group, site, (len(index.token), width), stored)
                    group[site].attrs["dtype"] = dtype
        with path.open("r+b") as raw:
            _take_space(raw.fileno(), path.stat().st_size)
    except OSError as error:
        raise SparringError(f"activations: {need:,} bytes cannot be written to {path.parent} ({error})") from error
    return {
        key: np.memmap(path, dtype=stored, mode="r+", offset=offset, shape=shape)
        for key, (offset, shape) in places.items()
    }


def as_stored(values: Float[Tensor, "rows d"], dtype: str) -> np.ndarray:
    """Float32 values as they are stored: themselves, or rounded to bfloat16 (to nearest, ties to even) as uint16."""
    if dtype == "bfloat16":
        return values.to(torch.bfloat16).view(torch.uint16).numpy()
    return values.numpy()


def _reserve(group: h5py.Group, name: str, shape: tuple[int, int], stored: np.dtype) -> tuple[int, tuple[int, int]]:
    """Create one contiguous data set, placed in the file now and not filled; return where its bytes begin."""
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.CONTIGUOUS)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    layout.set_obj_track_times(False)
    space = h5py.h5s.create_simple(shape)
    dataset = h5py.h5d.create(group.id, name.encode(), h5py.h5t.py_create(stored), space, layout)
    return dataset.get_offset(), shape


def _take_space(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
