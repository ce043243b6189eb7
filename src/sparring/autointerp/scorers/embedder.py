"""Vectors of the tokens of a text in their context: hidden states of a small sentence-embedding model, read midway."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from sparring.canonical import sha256_file
from sparring.errors import SparringError
from sparring.progress import progress

logging.disable_progress_bar()

Vectors = Float[np.ndarray, "tokens width"]


class Embedder:
    """The model in `folder` (all-MiniLM by default) up to its layer `layer`; reads `batch` texts at once."""

    def __init__(self, folder: Path, *, layer: int, batch: int) -> None:
        if not (folder / "model.safetensors").is_file():
            raise SparringError(f"the scorer folder {folder} has no model.safetensors: give a sentence-embedding model")
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model: Any = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
        ).eval()
        blocks = self._model.encoder.layer
        if layer > len(blocks):
            raise SparringError(f"score.layer is {layer}, but the scorer has {len(blocks)} layers: use at most that")
        self._model.encoder.layer = blocks[:layer]  # what lies above is never read
        self._batch_size = batch
        self.meta = {"weights": sha256_file(folder / "model.safetensors"), "layer": layer}

    def embed(self, texts: Sequence[str], bounds: Sequence[Int[np.ndarray, " _"]]) -> list[Vectors]:
        """Unit vectors of the tokens that `bounds` cut each text into; the zero vector where no word piece falls.

        Each distinct text is read once.
        """
        found: dict[tuple[str, bytes], Vectors] = {}
        todo = {(text, cut.tobytes()): (text, cut) for text, cut in zip(texts, bounds, strict=True)}
        order = sorted(todo, key=lambda key: (len(key[0]), key))
        with progress(len(order), desc="embed", unit="text") as bar:
            for first in range(0, len(order), self._batch_size):
                keys = order[first : first + self._batch_size]
                found.update(zip(keys, self._batch([todo[key] for key in keys]), strict=True))
                bar.update(len(keys))
        return [found[text, cut.tobytes()] for text, cut in zip(texts, bounds, strict=True)]

    def _batch(self, pairs: Sequence[tuple[str, Int[np.ndarray, " _"]]]) -> list[Vectors]:
        read = self._tokenizer(
            [text for text, _ in pairs], padding=True, truncation=True, return_tensors="pt", return_offsets_mapping=True
        )
        offsets = read.pop("offset_mapping").numpy()
        with torch.inference_mode():
            hidden = self._model(**read).last_hidden_state.numpy()
        return [_per_token(hidden[i], offsets[i], cut) for i, (_, cut) in enumerate(pairs)]


def _per_token(
    hidden: Float[np.ndarray, "pieces width"], offsets: Int[np.ndarray, "pieces 2"], bounds: Int[np.ndarray, " _"]
) -> Vectors:
    """The mean over the word pieces that touch each token's characters, at unit length."""
    start, stop = bounds[:-1, None], bounds[1:, None]
    touch = (offsets[:, 0] < stop) & (offsets[:, 1] > start) & (offsets[:, 1] > offsets[:, 0])
    mean = touch.astype(np.float32) @ hidden
    return mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
