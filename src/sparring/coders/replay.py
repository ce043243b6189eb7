"""A stand-in for the subject model: cached activation rows, replayed to sparsify's Trainer.

The Trainer needs a model only for the forward hook on one module. Here `input_ids` are row numbers, the model looks
the rows up, and its one module takes what the coder reads and returns what it writes. So a coder trains from the
cache exactly as it would on the live model (bit for bit, see tests/test_coders_training.py), with no forward pass.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.data import Dataset

from sparring.activation_cache import ActivationCache
from sparring.errors import SparringError

_SHUFFLE_BLOCK = 65_536  # rows permuted among themselves: keeps a later epoch's reads near each other on disk


class SiteRows:
    """Rows of one site, read through a memory map: HDF5's own indexing reads 2k rows/s at random, the map 700k."""

    def __init__(self, activations: Path, split: str, site: str, *, scale: float = 1.0) -> None:
        with ActivationCache(activations) as cache:
            data = cache.stored(split, site)
            self._path, self._shape = Path(data.file.filename), data.shape
            self._dtype, self._offset = data.dtype, data.id.get_offset()
            self._bf16 = data.attrs["dtype"] == "bfloat16"
        if self._offset is None:
            raise SparringError(f"{split}/{site} is stored in chunks; activations must be one contiguous dataset")
        self._scale = scale

    def __len__(self) -> int:
        return self._shape[0]

    @property
    def d(self) -> int:
        """Entries in a row."""
        return self._shape[1]

    def __getitem__(self, rows: np.ndarray | slice) -> Float[Tensor, "rows d"]:
        """Rows in float32, divided by the scale."""
        # Mapped anew for every batch: pages of a lasting map would add up to the whole site in the job's memory.
        stored = np.memmap(self._path, mode="r", dtype=self._dtype, offset=self._offset, shape=self._shape)
        taken = torch.from_numpy(np.array(stored[rows]))
        if self._bf16:
            taken = taken.view(torch.bfloat16).float()
        return taken if self._scale == 1.0 else taken.mul_(1 / self._scale)


class RowOrder(Dataset[dict[str, Tensor]]):
    """Which rows each step sees: one "sequence" of `batch_rows` row numbers an item, as the Trainer wants them.

    The first epoch takes the rows as stored (already shuffled); each later one permutes blocks of rows, and rows
    inside each block, by a generator seeded with (seed, epoch). Rows that do not fill the last batch of an
    epoch are left out of it.
    """

    def __init__(self, rows: int, *, batch_rows: int, steps: int, seed: int) -> None:
        if rows < batch_rows:
            raise SparringError(f"{rows} training rows do not fill one batch of {batch_rows}; lower batch_rows")
        self._rows, self._batch, self._steps, self._seed = rows, batch_rows, steps, seed
        self._epoch, self._order = 0, np.arange(rows)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        epoch, batch = divmod(step, self._rows // self._batch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._permuted(epoch)
        return {"input_ids": torch.from_numpy(self._order[batch * self._batch : (batch + 1) * self._batch])}

    def _permuted(self, epoch: int) -> np.ndarray:
        if epoch == 0:
            return np.arange(self._rows)
        rng = np.random.default_rng([self._seed, epoch])
        starts = rng.permutation(np.arange(0, self._rows, _SHUFFLE_BLOCK))
        return np.concatenate(
            [start + rng.permutation(min(_SHUFFLE_BLOCK, self._rows - start)) for start in starts.tolist()]
        )


class _Site(nn.Module):
    def forward(self, read: Tensor, write: Tensor) -> Tensor:  # the hook takes inputs[0] and the output
        return write


class ReplayModel(nn.Module):
    """Looks up rows `input_ids` and passes them through the module named `ReplayModel.HOOKPOINT`."""

    HOOKPOINT = "site"

    def __init__(self, read: SiteRows, write: SiteRows, device: torch.device) -> None:
        super().__init__()
        self.site = _Site()
        self._read, self._write, self.device = read, write, device

    @property
    def base_model(self) -> "ReplayModel":
        """Itself, where the Trainer looks for a language model under its head."""
        return self

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """The first row, from which the Trainer learns the width."""
        return {"input_ids": torch.zeros(1, 1, dtype=torch.long)}

    def forward(self, input_ids: Int[Tensor, "batch rows"]) -> Float[Tensor, "batch rows d"]:
        """What the coder is to write, [batch, rows, d]."""
        rows = input_ids.cpu().numpy()
        write = self._on_device(self._write[rows.reshape(-1)], rows.shape)
        read = write if self._read is self._write else self._on_device(self._read[rows.reshape(-1)], rows.shape)
        return self.site(read, write)

    def _on_device(self, flat: Tensor, shape: tuple[int, ...]) -> Tensor:
        return flat.to(self.device).view(*shape, -1)
