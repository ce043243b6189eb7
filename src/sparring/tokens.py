"""Documents as fixed windows of tokens, split into train, tuning and evaluation by document."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from sparring.documents import read_documents
from sparring.errors import SparringError
from sparring.progress import progress
from sparring.token_file import SPLITS, Tokens

_MIN_CHUNK = 32
_DOCUMENTS_AT_ONCE = 64


@dataclass(frozen=True)
class TokenPlan:
    """How a corpus is cut.

    context: tokens in a sequence, a prepended BOS among them.
    train, tuning, evaluation: the least number of counted tokens in each split; whole documents are taken until it is
        reached; 0 leaves the split out.
    seed: draws the documents' splits and their order; the budgets never move a document to another split.
    """

    context: int
    train: int
    tuning: int
    evaluation: int
    seed: int

    def __post_init__(self) -> None:
        if not 8 <= self.context <= 32_768:
            raise SparringError(f"tokens: context {self.context} is out of range; choose 8 to 32768")
        for split in SPLITS:
            if getattr(self, split) < 0:
                raise SparringError(f"tokens: {split} {getattr(self, split)} is negative; 0 leaves the split out")


def split_of(text: str, *, seed: int) -> tuple[str, float]:
    """(split, u): u in [0, 1) by sha256 of seed and text; evaluation below 0.25, tuning below 0.40, else train.

    It depends on nothing but the text and the seed, so neither budgets nor other documents move a document.
    """
    first = hashlib.sha256(f"{seed}\n{text}".encode()).digest()[:8]
    u = int.from_bytes(first, "big") / 2.0**64
    return ("evaluation" if u < 0.25 else "tuning" if u < 0.40 else "train"), u


def tokenize(subject: Path, corpus: Path, *, plan: TokenPlan, out: Path) -> dict[str, Any]:
    """Write tokens.safetensors for the corpus under the subject's tokenizer; return the counts of each split.

    Each document is cut into chunks of `plan.context`; a last chunk of at least 32 tokens is padded on the right, a
    shorter one dropped. BOS is put before each chunk if the tokenizer itself puts one before a text. `counted` is 0 at
    special tokens, padding and position 0: these are run and masked, never deleted.
    Raises SparringError, with the number there are, when a split's documents do not reach its budget.
    """
    from sparring.tokenizer import load_tokenizer, subject_config  # transformers; a study needs the plan alone

    tokenizer = load_tokenizer(subject)
    check_fit(subject_config(subject), plan.context)
    texts = read_documents(corpus)
    cutter = Cutter(tokenizer, plan.context)
    order: dict[str, list[tuple[float, int]]] = {split: [] for split in SPLITS}
    for document, text in enumerate(texts):
        split, u = split_of(text, seed=plan.seed)
        order[split].append((u, document))
    parts: list[Tokens] = []
    meta: dict[str, Any] = {"context": plan.context, "bos": cutter.bos is not None, "splits": {}}
    for number, split in enumerate(SPLITS):
        budget = getattr(plan, split)
        if budget == 0:
            continue
        chosen = _take(cutter, texts, [document for _, document in sorted(order[split])], split=split, budget=budget)
        documents = np.concatenate([np.full(len(chosen[d][0]), d, np.int32) for d in sorted(chosen)])
        tokens = np.concatenate([chosen[d][0] for d in sorted(chosen)])
        counted = np.concatenate([chosen[d][1] for d in sorted(chosen)])
        parts.append(Tokens(tokens, counted, documents, np.full(len(documents), number, np.uint8)))
        meta["splits"][split] = {"documents": len(chosen), "sequences": len(tokens), "tokens": int(counted.sum())}
    if not parts:
        raise SparringError("tokens: every split's budget is 0; give train and evaluation a number of tokens")
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Tokens._fields}
    vocabulary = subject_config(subject).get("vocab_size")
    if vocabulary is not None and int(columns["tokens"].max()) >= vocabulary:
        raise SparringError(
            f"tokens: id {columns['tokens'].max()} in a model of {vocabulary} tokens: not its tokenizer"
        )
    save_file(columns, out / "tokens.safetensors")
    return meta


def check_fit(config: dict[str, Any], context: int) -> None:
    """Raises SparringError for a context that the model of `config` has no positions for."""
    longest = config.get("max_position_embeddings", config.get("n_positions"))
    if isinstance(longest, int) and context > longest:
        raise SparringError(f"tokens: context {context} is longer than the model's {longest} positions; lower it")


def _take(
    cutter: "Cutter", texts: list[str], documents: list[int], *, split: str, budget: int
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """{document: (tokens, counted)} for the first documents that together reach the budget of counted tokens."""
    chosen: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    total = 0
    with progress(budget, desc=f"tokens, {split}", unit="token") as bar:
        for document, tokens, counted in cutter.cut(texts, documents):
            chosen[document] = (tokens, counted)
            total += int(counted.sum())
            bar.update(int(counted.sum()))
            if total >= budget:
                return chosen
    raise SparringError(
        f"tokens: {split} wants {budget} tokens and the corpus has {total} for it; lower it or add text"
    )


class Cutter:
    """Cuts documents into rows of token ids and their counted marks."""

    def __init__(self, tokenizer: Any, context: int) -> None:
        self._tokenizer = tokenizer
        self._context = context
        ids = tokenizer("a")["input_ids"]
        self.bos: int | None = (
            ids[0] if tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id else None
        )
        spare = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
        self._pad = next(token for token in spare if token is not None)
        self._room = context - (self.bos is not None)  # tokens of the text in a sequence
        self._special = np.array(sorted(tokenizer.all_special_ids), dtype=np.int32)

    def cut(self, texts: list[str], documents: list[int]) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """(document, tokens, counted) of each document that gives at least one chunk, in the order given."""
        for start in range(0, len(documents), _DOCUMENTS_AT_ONCE):
            some = documents[start : start + _DOCUMENTS_AT_ONCE]
            encoded = self._tokenizer([texts[d] for d in some], add_special_tokens=False, verbose=False)["input_ids"]
            for document, ids in zip(some, encoded, strict=True):
                tokens, counted = self.rows(ids)
                if len(tokens):
                    yield document, tokens, counted

    def beginning(self, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """(tokens int32 [1, context], counted uint8 [1, context]) of as much of a text as one sequence holds."""
        return self.rows(ids[: self._room], least=0)

    def rows(self, ids: list[int], *, least: int = _MIN_CHUNK) -> tuple[np.ndarray, np.ndarray]:
        """(tokens int32 [chunk, context], counted uint8 [chunk, context]) of one document's ids.

        A chunk of fewer than `least` tokens is dropped.
        """
        prefix = [] if self.bos is None else [self.bos]
        room = self._room
        chunks = [ids[start : start + room] for start in range(0, max(len(ids), 1), room)]
        chunks = [chunk for chunk in chunks if len(chunk) >= min(least, room)]
        tokens = np.full((len(chunks), self._context), self._pad, dtype=np.int32)
        counted = np.zeros((len(chunks), self._context), dtype=np.uint8)
        for row, chunk in enumerate(chunks):
            end = len(prefix) + len(chunk)
            tokens[row, :end] = prefix + chunk
            counted[row, :end] = ~np.isin(tokens[row, :end], self._special)
        counted[:, 0] = 0
        return tokens, counted
