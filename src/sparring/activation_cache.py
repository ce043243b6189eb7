"""Reading activations: large consecutive blocks into buffers that are used again, never single rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sparring.activation_file import INDEX
from sparring.errors import SparringError


class Block(dict[str, Tensor]):
    """{site: float32 [rows, d]} of one block; `rows` is where in the split it lies."""

    def __init__(self, rows: slice, values: dict[str, Tensor]) -> None:
        super().__init__(values)
        self.rows = rows


class ActivationCache:
    """The activations in `path`: one file, or the folder of them. A context manager.

    Raises SparringError if there is none, or one is cut short or not of this layout.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        paths = sorted(path.glob("*.h5")) if path.is_dir() else [path]
        if not paths or not paths[0].is_file():
            raise SparringError(f"activations {path}: no such file; run the activations rule")
        try:
            self._files = [h5py.File(each, "r") for each in paths]
            self._groups = {split: group for file in self._files for split, group in file.items()}
            self.splits = tuple(split for split in ("train", "tuning", "evaluation") if split in self._groups)
            of = {name: group for group in self._groups.values() for name in group if name not in INDEX}
            self.sites = tuple(sorted(of))
            self._width = {site: int(group[site].shape[1]) for site, group in of.items()}
            self._half = {site: group[site].attrs["dtype"] == "bfloat16" for site, group in of.items()}
        except (OSError, KeyError, IndexError) as error:
            raise SparringError(f"activations {self.path}: cut short or damaged ({error}); derive it again") from error

    def __enter__(self) -> "ActivationCache":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; blocks already read stay valid."""
        for file in self._files:
            file.close()

    def d(self, site: str) -> int:
        """The width of `site`. Raises SparringError if the cache has no such site."""
        if site not in self._width:
            raise SparringError(f"activations {self.path}: no site {site!r}; it has {', '.join(self.sites)}")
        return self._width[site]

    def rows(self, split: str) -> int:
        """The number of rows of `split`. Raises SparringError if the cache has no such split."""
        return int(self._group(split)["token"].shape[0])

    def index(self, split: str) -> dict[str, np.ndarray]:
        """{`sequence` int32, `position` int16, `document` int32, `token` int32}, each [row]."""
        group = self._group(split)
        return {name: group[name][:] for name in INDEX}

    def blocks(self, split: str, sites: tuple[str, ...], block_rows: int) -> Iterator[Block]:
        """The rows of `split` in their stored order, `block_rows` at a time (the last block may be shorter).

        The tensors are views of buffers that the NEXT block overwrites: copy what is to be kept.
        Raises SparringError if a block cannot be read.
        """
        stored_at = {site: self.stored(split, site) for site in sites}
        total = self.rows(split)
        size = min(block_rows, total)
        raw = {site: np.empty((size, self.d(site)), stored_at[site].dtype) for site in sites}
        plain = {site: torch.empty(size, self.d(site)) for site in sites if self._half[site]}
        for start in range(0, total, size):
            count = min(size, total - start)
            values = {}
            for site in sites:
                try:
                    stored_at[site].read_direct(raw[site], np.s_[start : start + count], np.s_[:count])
                except OSError as error:
                    raise SparringError(f"activations {self.path}: {split} {site} cannot be read ({error})") from error
                stored = torch.from_numpy(raw[site][:count])
                values[site] = plain[site][:count].copy_(stored.view(torch.bfloat16)) if self._half[site] else stored
            yield Block(slice(start, start + count), values)

    def read(self, split: str, site: str) -> Float[Tensor, "rows d"]:
        """All rows of one site at once, float32; for data that fit into memory."""
        return next(self.blocks(split, (site,), self.rows(split)))[site]

    def span(self, split: str, site: str, rows: slice) -> Float[Tensor, "rows d"]:
        """Some consecutive rows of one site, float32."""
        stored = torch.from_numpy(self.stored(split, site)[rows])
        return stored.view(torch.bfloat16).float() if self._half[site] else stored

    def stored(self, split: str, site: str) -> Any:
        """The HDF5 data set of a site, as it lies in its file (`.file.filename`)."""
        self.d(site)
        group = self._group(split)
        if site not in group:
            raise SparringError(f"activations {self.path}: no rows of {site} in split {split}; it is not trained on")
        return group[site]

    def _group(self, split: str) -> Any:
        if split not in self.splits:
            raise SparringError(f"activations {self.path}: no split {split!r}; it has {', '.join(self.splits)}")
        return self._groups[split]
