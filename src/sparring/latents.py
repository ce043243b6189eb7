"""Latents of a coder over one split, in delphi's on-disk format, with the firing statistics of every latent."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from sparring.activation_cache import ActivationCache
from sparring.canonical import pretty_json
from sparring.coders.encoding import Encoder
from sparring.errors import SparringError
from sparring.progress import progress
from sparring.sites import parse_site
from sparring.token_file import Tokens, read_tokens

WINDOW = 32  # tokens of the windows that `windows` counts, the length of the protocol's examples
_BLOCK = 4096
_LATENTS_PER_FILE = 4096  # below 2**16, so locations fit uint16, and a reader of few latents opens few files
_LARGEST = float(np.finfo(np.float16).max)


class Firings(NamedTuple):
    """Every (sequence, position, latent) with a positive value, sorted by latent, then sequence, then position."""

    sequence: np.ndarray
    """int32 [n], index among the split's sequences."""
    position: np.ndarray
    """int32 [n]."""
    latent: np.ndarray
    """int32 [n]."""
    value: np.ndarray
    """float16 [n], in the coder's scaled space."""


def encode_latents(activations: Path, tokens: Path, coder: Path, *, split: str, out: Path) -> dict[str, Any]:
    """Encode the rows of `split` and write to `out`: latents/<hookpoint>/ (delphi's format), sequences.safetensors
    (which sequences of the tokens these are, their documents, counted positions) and firing.parquet; return the meta.

    Positions that are not counted are left out. Raises SparringError if a value does not fit delphi's float16.
    """
    model = Encoder.load(coder)
    held = read_tokens(tokens)
    own = held.of(split)
    firings = _encode(activations, model, held, own, split)
    counted = held.counted[own].astype(bool)

    scaled = (coder / "scaling.json").exists()
    hookpoint = parse_site(model.arm.write_site).hookpoint({})
    folder = out / "latents" / hookpoint
    folder.mkdir(parents=True)
    _write_delphi(folder, firings, held.tokens[own], model.n_latents)
    save_file(
        {
            "sequence": own.astype(np.int32),
            "document": held.document[own].astype(np.int32),
            "counted": counted.astype(np.uint8),
        },
        out / "sequences.safetensors",
    )
    table = firing_table(firings, n_latents=model.n_latents, rows=int(counted.sum()))
    pq.write_table(table, out / "firing.parquet", compression="zstd")
    count = table["count"].to_numpy()
    return {
        "split": split,
        "arm": model.arm.name,
        "hookpoint": hookpoint,
        "n_latents": model.n_latents,
        "sequences": len(own),
        "context": held.tokens.shape[1],
        "rows": int(counted.sum()),
        "firings": len(firings.value),
        "l0": len(firings.value) / int(counted.sum()),
        "never_fire": int((count == 0).sum()),
        "value_space": "rows scaled as in the coder's scaling.json" if scaled else "the coder's own",
    }


def firing_table(firings: Firings, *, n_latents: int, rows: int) -> pa.Table:
    """One row a latent: latent, count (rows in which it fires), rate (count / rows), windows (aligned windows of
    32 tokens in which it fires), max and mean (of its positive values; 0 where it never fires)."""
    latent, value = firings.latent, firings.value.astype(np.float64)
    count = np.bincount(latent, minlength=n_latents)
    total = np.bincount(latent, weights=value, minlength=n_latents)
    largest = np.zeros(n_latents)
    np.maximum.at(largest, latent, value)
    window = np.stack([latent, firings.sequence, firings.position // WINDOW])
    new = np.ones(len(latent), dtype=bool)  # sorted, so a window's firings lie side by side
    new[1:] = (window[:, 1:] != window[:, :-1]).any(axis=0)
    return pa.table(
        {
            "latent": np.arange(n_latents, dtype=np.int32),
            "count": count.astype(np.int64),
            "rate": count / rows,
            "windows": np.bincount(latent[new], minlength=n_latents).astype(np.int64),
            "max": largest.astype(np.float32),
            "mean": (total / np.maximum(count, 1)).astype(np.float32),
        }
    )


def _encode(activations: Path, model: Encoder, held: Tokens, own: np.ndarray, split: str) -> Firings:
    cache = ActivationCache(activations)
    index = cache.index(split)
    sequence = np.searchsorted(own, index["sequence"])
    counted = held.counted[index["sequence"], index["position"]].astype(bool)
    parts: list[Firings] = []
    start = 0
    with progress(cache.rows(split), desc=f"latents {model.arm.name}", unit="row") as bar:
        for block in cache.blocks(split, (model.arm.read_site,), _BLOCK):
            x = block[model.arm.read_site]
            values, indices = (tensor.cpu().numpy() for tensor in model.encode(x))
            if values.size and not values.max() <= _LARGEST:
                raise SparringError(
                    f"a latent of {model.arm.name} reaches {values.max():g}, beyond float16's {_LARGEST:g}; "
                    "train the coder with scale on"
                )
            half = values.astype(np.float16)
            row, slot = np.nonzero((half > 0) & counted[start : start + len(x), None])
            parts.append(
                Firings(
                    sequence[start + row].astype(np.int32),
                    index["position"][start + row].astype(np.int32),
                    indices[row, slot].astype(np.int32),
                    half[row, slot],
                )
            )
            start += len(x)
            bar.update(len(x))
    joined = Firings(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    order = np.lexsort((joined.position, joined.sequence, joined.latent))
    return Firings(*(column[order] for column in joined))


def _write_delphi(folder: Path, firings: Firings, tokens: np.ndarray, n_latents: int) -> None:
    """Files <first>_<last>.safetensors and config.json, as delphi's LatentCache writes and its LatentDataset reads."""
    for first in range(0, n_latents, _LATENTS_PER_FILE):
        last = min(first + _LATENTS_PER_FILE, n_latents) - 1
        lo, hi = np.searchsorted(firings.latent, [first, last + 1])
        locations = np.stack(
            [firings.sequence[lo:hi], firings.position[lo:hi], firings.latent[lo:hi] - first], axis=1
        ).astype(np.uint16 if max(tokens.shape) < 2**16 else np.uint32)
        save_file(
            {"locations": locations, "activations": firings.value[lo:hi], "tokens": tokens.astype(np.int64)},
            folder / f"{first}_{last}.safetensors",
        )
    # delphi reads only model_name here, and only when it is given no tokenizer; ours is given the subject's.
    config = {"model_name": "", "cache_ctx_len": tokens.shape[1], "n_latents": n_latents}
    (folder / "config.json").write_bytes(pretty_json(config))
