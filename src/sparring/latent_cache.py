"""Reads a latents folder: what each latent does over one split. Numpy only."""

import json
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from safetensors import safe_open
from safetensors.numpy import load_file

from sparring.errors import SparringError


class Firing(NamedTuple):
    """Where one latent fires, sorted by sequence, then position."""

    sequence: np.ndarray
    """int64 [n], index among this folder's sequences."""
    position: np.ndarray
    """int64 [n]."""
    value: np.ndarray
    """float32 [n], positive."""


class LatentCache:
    """A folder written by `sparring.latents.encode_latents`.

    Raises SparringError if `folder` holds no latents.
    """

    def __init__(self, folder: Path) -> None:
        configs = sorted((folder / "latents").glob("*/config.json"))
        if len(configs) != 1:
            raise SparringError(f"{folder} holds {len(configs)} sets of latents; give the folder of one arm's latents")
        self.folder = folder
        self.hookpoint = configs[0].parent.name
        self.n_latents: int = json.loads(configs[0].read_text())["n_latents"]
        self._files = sorted(configs[0].parent.glob("*.safetensors"), key=lambda path: int(path.stem.split("_")[0]))
        side = load_file(folder / "sequences.safetensors")
        self.sequence: np.ndarray = side["sequence"]
        """int32 [n], index of each sequence in tokens.safetensors."""
        self.document: np.ndarray = side["document"]
        """int32 [n]."""
        self.counted: np.ndarray = side["counted"].astype(bool)
        """bool [n, ctx], False at specials, padding and position 0."""

    @cached_property
    def tokens(self) -> np.ndarray:
        """Token ids, int64 [n, ctx]."""
        with safe_open(self._files[0], framework="np") as file:
            return file.get_tensor("tokens")

    def of(self, latent: int) -> Firing:
        """Every firing of `latent`; SparringError if there is no such latent."""
        if not 0 <= latent < self.n_latents:
            raise SparringError(f"latent {latent} does not exist; this coder has 0 to {self.n_latents - 1}")
        start, stop = self._bounds[latent], self._bounds[latent + 1]
        sequence, position, value = self._firings
        return Firing(sequence[start:stop].astype(np.int64), position[start:stop].astype(np.int64), value[start:stop])

    @cached_property
    def firing(self) -> dict[str, np.ndarray]:
        """Columns of firing.parquet: latent, count, rate, windows, max, mean, each [n_latents]."""
        table = pq.read_table(self.folder / "firing.parquet")
        return {name: table[name].to_numpy() for name in table.column_names}

    @cached_property
    def _bounds(self) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(self.firing["count"])])

    @cached_property
    def _firings(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sequence, position and value of all firings; the files are written sorted by latent."""
        parts = [load_file(path) for path in self._files]
        locations = np.concatenate([part["locations"] for part in parts])
        values = np.concatenate([part["activations"] for part in parts]).astype(np.float32)
        return locations[:, 0], locations[:, 1], values
