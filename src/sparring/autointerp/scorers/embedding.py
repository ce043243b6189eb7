"""A small sentence-embedding model as a scorer: how well does each token of a text fit an explanation?

The model (all-MiniLM by default) reads a window once, and its hidden states at a middle layer give every token a vector
in its context; the marked tokens of an explanation's contexts get vectors the same way. Token t of a text then scores

    s(t) = share of t in the token list + weight * sum_j w_j exp(sharpness * (cos(h_t, c_j) - 1)) / sum_j w_j

over the contexts j, w_j = 0.2 + the share of context j's token. Only the explanation and the text are read. Late
interaction after ColBERT (Khattab and Zaharia, 2020); whole-text embeddings, tried first, could hardly tell anything
(docs/decisions/0004-instrument-tuning.md).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from sparring.autointerp.plan import ScorePlan
from sparring.autointerp.text import TokenText
from sparring.canonical import sha256_file
from sparring.errors import SparringError
from sparring.progress import progress

logging.disable_progress_bar()

Vectors = Float[np.ndarray, "tokens width"]


class EmbeddingScorer:
    """Embeds each distinct text once; `embed` first, then `score`."""

    def __init__(self, folder: Path, text: TokenText, plan: ScorePlan) -> None:
        if not (folder / "model.safetensors").is_file():
            raise SparringError(f"the scorer folder {folder} has no model.safetensors: give a sentence-embedding model")
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model: Any = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
        ).eval()
        blocks = self._model.encoder.layer
        if plan.layer > len(blocks):
            raise SparringError(
                f"score.layer is {plan.layer}, but the scorer has {len(blocks)} layers: use at most that"
            )
        self._model.encoder.layer = blocks[: plan.layer]  # what lies above is never read
        self._text, self._plan = text, plan
        self.meta = {
            "name": "embedding of tokens in context, with the token list",
            "weights": sha256_file(folder / "model.safetensors"),
            "layer": plan.layer,
            "sharpness": plan.sharpness,
            "weight": plan.weight,
        }

    def embed(self, texts: Sequence[str], bounds: Sequence[Int[np.ndarray, " _"]]) -> list[Vectors]:
        """Unit vectors of the tokens that `bounds` cut each text into; the zero vector where no word piece falls."""
        found: dict[tuple[str, bytes], Vectors] = {}
        todo = {(text, cut.tobytes()): (text, cut) for text, cut in zip(texts, bounds, strict=True)}
        order = sorted(todo, key=lambda key: (len(key[0]), key))
        with progress(len(order), desc="embed", unit="text") as bar:
            for first in range(0, len(order), self._plan.batch):
                keys = order[first : first + self._plan.batch]
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

    def score(
        self, explanation: Mapping[str, Any], contexts: Vectors, words: Sequence[Sequence[str]], vectors: np.ndarray
    ) -> Float[np.ndarray, "texts tokens"]:
        """s(t) for each token of each text; NaN throughout for an explanation that says nothing.

        `words` are the texts' tokens as strings, `vectors` [texts, tokens, width] theirs and `contexts` [n, width] the
        explanation's, from `embed`.
        """
        shares = dict(explanation["tokens"])
        fit = np.array([[shares.get(word, 0.0) for word in text] for text in words])
        if not shares and len(contexts) == 0:
            return np.full(fit.shape, np.nan)
        if len(contexts):
            weight = 0.2 + np.array([context["share"] for context in explanation["contexts"]])
            near = np.exp(self._plan.sharpness * (vectors @ contexts.T - 1.0))
            fit = fit + self._plan.weight * (near @ (weight / weight.sum()))
        return fit


def _per_token(
    hidden: Float[np.ndarray, "pieces width"], offsets: Int[np.ndarray, "pieces 2"], bounds: Int[np.ndarray, " _"]
) -> Vectors:
    """The mean over the word pieces that touch each token's characters, at unit length."""
    start, stop = bounds[:-1, None], bounds[1:, None]
    touch = (offsets[:, 0] < stop) & (offsets[:, 1] > start) & (offsets[:, 1] > offsets[:, 0])
    mean = touch.astype(np.float32) @ hidden
    return mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
