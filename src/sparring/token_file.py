"""tokens.safetensors: fixed windows of tokens with their masks, documents and splits."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file

SPLITS = ("train", "tuning", "evaluation")


class Tokens(NamedTuple):
    """tokens.safetensors: `tokens` int32 and `counted` uint8 [sequence, position], `document` int32 and `split` uint8
    [sequence] (an index into SPLITS). Sequences lie by split, then document, then place in it."""

    tokens: np.ndarray
    counted: np.ndarray
    document: np.ndarray
    split: np.ndarray

    def of(self, split: str) -> np.ndarray:
        """The indices of the sequences of `split`, ascending."""
        return np.flatnonzero(self.split == SPLITS.index(split))


def read_tokens(folder: Path) -> Tokens:
    """The arrays of a tokens folder."""
    return Tokens(**load_file(folder / "tokens.safetensors"))
