"""The subject as it is, but a token without identity: each occurrence gets an embedding drawn anew from a Gaussian.

The control of Heap et al. 2025 (arXiv 2501.17727): what a coder's latents still show on this model cannot come from
which token stands where. The Gaussian has the mean and the standard deviation, over all entries, of what the embedding
gives for the whole vocabulary. The draw at a position is keyed by (seed, the token ids up to it): the same whatever
the batch and the padding on the right, and so the same for every reader of the model.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sparring.canonical import pretty_json, significant
from sparring.errors import SparringError
from sparring.sources.folder import copy_model_files

IID = "iid_embeddings.json"
_CHUNK = 8192  # tokens of the vocabulary embedded at a time


def has_iid_embeddings(subject: Path) -> bool:
    """Whether the subject folder is of this kind: it cannot generate text, nor be run by another library."""
    return (subject / IID).is_file()


def refuse_iid_embeddings(subject: Path, what: str) -> None:
    """Raises SparringError, saying that `what` cannot be had, where the subject folder is of this kind."""
    if has_iid_embeddings(subject):
        raise SparringError(
            f"{what}: this model's token embeddings are drawn anew at each position (model: iid_embeddings), which "
            "only our own forward pass does; ask it of a twin by model: weights"
        )


def write_iid_embeddings(model: Any, subject: Path, *, seed: int, out: Path) -> dict[str, Any]:
    """Copy the folder `subject` of `model` into the empty folder `out`, and add iid_embeddings.json; return that."""
    copy_model_files(subject, out=out)
    embedding = model.get_input_embeddings()
    mean, std = _moments(embedding)
    found = {"control": "iid_embeddings", "mean": mean, "std": std, "seed": seed}
    (out / IID).write_bytes(pretty_json(found))
    return found


def draw_embeddings(model: Any, subject: Path) -> None:
    """Let `model` embed as iid_embeddings.json of its folder says; where there is none, nothing changes.

    With a key-value cache the ids before a position are not seen again: such a pass raises SparringError.
    """
    if not has_iid_embeddings(subject):
        return
    said = json.loads((subject / IID).read_bytes())

    def embed(_: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        drawn = iid_normal(args[0].cpu(), d=output.shape[-1], seed=said["seed"])
        return drawn.to(output).mul_(said["std"]).add_(said["mean"])

    def whole(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        cache = kwargs.get("past_key_values")
        if cache is not None and cache.get_seq_length() > 0:
            refuse_iid_embeddings(subject, "text generated with a key-value cache")

    model.get_input_embeddings().register_forward_hook(embed)
    model.base_model.register_forward_pre_hook(whole, with_kwargs=True)


def iid_normal(ids: Int[Tensor, "batch position"], *, d: int, seed: int) -> Float[Tensor, "batch position d"]:
    """Standard normal values for each position, by Philox with a key of 128 bits: a hash of (seed, ids up to it)."""
    found = np.empty((*ids.shape, d), dtype=np.float32)
    for row, sequence in zip(found, ids.numpy().astype("<i8"), strict=True):
        hashed = hashlib.blake2b(str(seed).encode(), digest_size=16)
        for at, token in zip(row, sequence, strict=True):
            hashed.update(token.tobytes())
            key = int.from_bytes(hashed.digest(), "little")
            np.random.Generator(np.random.Philox(key=key)).standard_normal(out=at, dtype=np.float32)
    return torch.from_numpy(found)


@torch.no_grad()
def _moments(embedding: nn.Embedding) -> tuple[float, float]:
    """(mean, standard deviation) over all entries of what `embedding` gives, as it scales them, in float64."""
    weight = embedding.weight
    total, square = 0.0, 0.0
    for start in range(0, len(weight), _CHUNK):
        ids = torch.arange(start, min(start + _CHUNK, len(weight)), device=weight.device)
        values = embedding(ids[None]).double()
        total, square = total + float(values.sum()), square + float(values.square().sum())
    mean = total / weight.numel()
    return significant(mean), significant((square / weight.numel() - mean**2) ** 0.5)
