"""Windows of a split's sequences, the two document pools, and where a latent fires among the windows."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from sparring.canonical import digest, sha256_bytes
from sparring.errors import SparringError


@runtime_checkable
class Firings(Protocol):
    """What this package needs of a `LatentCache`: the sequences of one split, and where a latent fires there."""

    @property
    def n_latents(self) -> int: ...

    @property
    def tokens(self) -> np.ndarray: ...

    @property
    def counted(self) -> np.ndarray: ...

    @property
    def document(self) -> np.ndarray: ...

    @property
    def sequence(self) -> np.ndarray: ...

    def of(self, latent: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(sequence, position, value) of each firing of `latent`."""
        ...


@dataclass(frozen=True)
class Windows:
    """Windows in sequence order: row `i` is `sequence[i]`, tokens `start[i] : start[i] + size`, of `document[i]`."""

    size: int
    sequence: Int[np.ndarray, " windows"]
    start: Int[np.ndarray, " windows"]
    document: Int[np.ndarray, " windows"]
    lookup: Int[np.ndarray, "sequences slots"]
    """Row of the window at (sequence, start // size), or -1."""

    def __len__(self) -> int:
        return len(self.sequence)


def cut_windows(counted: Shaped[np.ndarray, "sequences context"], document: np.ndarray, size: int) -> Windows:
    """Windows of `size` tokens in which at most one token is masked.

    One, because position 0 is masked in every sequence and its text is still text; padding never passes.
    """
    slots = counted.shape[1] // size
    if slots == 0:
        raise SparringError(
            f"draw.window is {size}, longer than the context of {counted.shape[1]}: use a shorter window"
        )
    full = counted[:, : slots * size].astype(bool).reshape(len(counted), slots, size).sum(axis=2) >= size - 1
    sequence, slot = np.nonzero(full)
    lookup = np.full(full.shape, -1, dtype=np.int64)
    lookup[sequence, slot] = np.arange(len(sequence))
    return Windows(size, sequence, slot * size, document[sequence].astype(np.int64), lookup)


@dataclass(frozen=True)
class Pools:
    """Documents whose text the explainer may read, and documents the explanations are judged on."""

    explainer: frozenset[int]
    scorer: frozenset[int]

    def __post_init__(self) -> None:
        if shared := self.explainer & self.scorer:
            raise SparringError(
                f"document {min(shared)} is in the explainer pool and in the scorer pool "
                f"({len(shared)} shared): an explanation would be judged on text it was made from"
            )

    def meta(self) -> dict[str, object]:
        """Sizes and digests, for the artifact."""
        return {
            name: {"documents": len(docs), "digest": digest(sorted(docs))}
            for name, docs in (("explainer", self.explainer), ("scorer", self.scorer))
        }


def split_pools(document: np.ndarray, *, share: float, seed: int) -> Pools:
    """Each document goes by its own hash with the seed, so that adding documents moves none."""
    explainer: set[int] = set()
    scorer: set[int] = set()
    for name in np.unique(document).tolist():
        u = int(sha256_bytes(f"pool:{seed}:{name}".encode())[:12], 16) / 16**12
        (explainer if u < share else scorer).add(name)
    return Pools(frozenset(explainer), frozenset(scorer))


@dataclass(frozen=True)
class Fired:
    """Where one latent fires: windows in ascending order, and its greatest value in each."""

    window: Int[np.ndarray, " windows"]
    peak: Float[np.ndarray, " windows"]


def fired_windows(cache: Firings, windows: Windows, latent: int) -> Fired:
    """Windows in which `latent` fires at a counted token; firings outside any window are left out."""
    sequence, position, value = cache.of(latent)
    slot = position.astype(np.int64) // windows.size
    inside = slot < windows.lookup.shape[1]
    row = windows.lookup[sequence[inside], slot[inside]]
    row, value = row[row >= 0], value[inside][row >= 0].astype(np.float64)
    found, inverse = np.unique(row, return_inverse=True)
    peak = np.zeros(len(found))
    np.maximum.at(peak, inverse, value)
    return Fired(found, peak)


def pool_mask(windows: Windows, documents: frozenset[int]) -> Bool[np.ndarray, " windows"]:
    """Which windows belong to `documents`."""
    return np.isin(windows.document, np.fromiter(documents, dtype=np.int64, count=len(documents)))
