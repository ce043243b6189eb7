"""A tiny activations folder with known structure, its tokens, and coders to go with it."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from sparring.activation_file import RowFile, Rows
from sparring.canonical import pretty_json
from sparring.coders.recipe import Arm, Recipe
from sparring.coders.upstream import SparseCoder, SparseCoderConfig

READ, WRITE = "layers.1.mlp.in", "layers.1.mlp.out"
SAE = Arm("sae", "sae", WRITE, WRITE)
TRANSCODER = Arm("transcoder", "skip-transcoder", READ, WRITE)
PLAIN = Arm("plain", "transcoder", READ, WRITE)
ARMS = (SAE, TRANSCODER, PLAIN)
CONTEXT = 40
D = 16


def tiny_recipe(**changes: object) -> Recipe:
    """A recipe that trains in well under a second."""
    return Recipe(**({"width": 64, "k": 4, "tokens": 2048, "lr": 5e-3, "batch_rows": 256} | changes))


def tiny_activations(
    folder: Path,
    *,
    train: int = 1024,
    sequences: int = 12,
    dtype: str = "float32",
    further: Mapping[str, float] | None = None,
) -> Path:
    """activations.h5 and tokens/ in `folder`: rows are sums of 3 of 24 directions, y a nonlinear function of x.

    RMS is about 5 for what is read and 0.3 for what is written, so that scaling matters. `further` sites have what is
    written times a factor. Two sequences a document;
    position 0 is masked, and so are the last 5 of every third sequence.
    """
    rng = np.random.default_rng(0)
    counted = np.ones((sequences, CONTEXT), np.uint8)
    counted[:, 0] = 0
    counted[::3, -5:] = 0
    at, position = np.nonzero(counted)
    n_train = -(-train // CONTEXT)
    tokens = rng.integers(0, 97, (n_train + sequences, CONTEXT)).astype(np.int32)
    document = np.arange(n_train + sequences, dtype=np.int32) // 2
    rows = {
        "train": _rows(tokens, document, *np.divmod(rng.permutation(train), CONTEXT)),
        "evaluation": _rows(tokens, document, at + n_train, position),
    }
    directions = rng.standard_normal((24, D))
    mixing = rng.standard_normal((D, D)) / D**0.5
    factors = {READ: 2.3, WRITE: 0.13} | {site: 0.13 * factor for site, factor in (further or {}).items()}
    widths = dict.fromkeys(factors, D)
    with RowFile(folder / "activations.h5", rows=rows, widths=widths, dtype=dtype) as file:
        for split, index in rows.items():
            n = len(index.token)
            weights = np.zeros((n, 24))
            np.put_along_axis(weights, rng.integers(0, 24, (n, 3)), rng.uniform(1, 3, (n, 3)), axis=1)
            x = weights @ directions + 0.5
            y = np.maximum(x @ mixing, 0) + 0.3 * x + 1
            for site, factor in factors.items():
                values = factor * (x if site == READ else y)
                file.write(split, site, np.arange(n), torch.from_numpy(values).float())
    (folder / "tokens").mkdir()
    save_file(
        {
            "tokens": tokens,
            "counted": np.concatenate([np.ones((n_train, CONTEXT), np.uint8), counted]),
            "document": document,
            "split": np.repeat([0, 2], [n_train, sequences]).astype(np.uint8),
        },
        folder / "tokens" / "tokens.safetensors",
    )
    return folder


def random_coder(arm: Arm, *, width: int = 64, k: int = 4, d: int = D, seed: int = 0) -> SparseCoder:
    """A coder whose every parameter is drawn at random, none zero."""
    transcode, skip = arm.kind != "sae", arm.kind == "skip-transcoder"
    config = SparseCoderConfig(num_latents=width, k=k, transcode=transcode, skip_connection=skip)
    coder = SparseCoder(d, config).requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for parameter in coder.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return coder


def save_coder(coder: SparseCoder, arm: Arm, folder: Path) -> Path:
    """Save as `train_coder` does, without the record of a training."""
    coder.save_to_disk(folder)
    (folder / "arm.json").write_bytes(pretty_json(asdict(arm)))
    return folder


def _rows(tokens: np.ndarray, document: np.ndarray, sequence: np.ndarray, position: np.ndarray) -> Rows:
    return Rows(sequence, position, document[sequence], tokens[sequence, position])


def as_dense(values: torch.Tensor, indices: torch.Tensor, *, n_latents: int = 64) -> torch.Tensor:
    """[row, latent], whatever the order of a row's latents."""
    return torch.zeros(len(values), n_latents).scatter_(1, indices, values)
