"""Delphi's outputs as rows of scores.parquet, and what delphi does not say of them: leaked windows, the marks' tell."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from sparring.autointerp.delphi_upstream import FuzzingScorer, LatentRecord
from sparring.autointerp.marks import tell_auroc
from sparring.autointerp.windows import Firings


def record_rows(cache: Firings, record: LatentRecord, outputs: Sequence[Any], **named: Any) -> list[dict[str, Any]]:
    """A row an output, delphi's test examples first; `named` are the columns that all of them share.

    Delphi cuts a sequence into windows from its beginning and says not which one an output is of: it is found by its
    tokens, of two equal windows the first.
    """
    examples = [*record.test, *record.not_active]
    index = {id(example.str_tokens): i for i, example in enumerate(examples)}  # an output holds its example's own list
    size = len(examples[0].tokens)
    cut = cache.tokens.reshape(-1, size)
    rows = []
    for output in sorted(outputs, key=lambda output: index[id(output.str_tokens)]):
        i = index[id(output.str_tokens)]
        window = int(np.flatnonzero((cut == examples[i].tokens.numpy()).all(axis=1))[0])
        sequence, slot = divmod(window, cache.tokens.shape[1] // size)
        rows.append(
            {
                **named,
                "latent": record.latent.latent_index,
                "example": i,
                "label": output.activating,
                "score": float("nan") if output.prediction is None else float(output.prediction),
                "document": int(cache.document[sequence]),
                "sequence": int(cache.sequence[sequence]),
                "start": slot * size,
                "activation": float(max(output.activations)) if output.activating else 0.0,
                "marks": [],
            }
        )
    return rows


def leaked(records: Sequence[LatentRecord]) -> float | None:
    """The share of the scored firing windows that the explainer was shown; None without any."""
    scored = seen = 0
    for record in records:
        shown = {tuple(example.tokens.tolist()) for example in record.train}
        scored += len(record.test)
        seen += sum(tuple(example.tokens.tolist()) in shown for example in record.test)
    return seen / scored if scored else None


def tell(records: Sequence[LatentRecord], examples_shown: int) -> float | None:
    """What the positions of delphi's marks alone tell of the fuzz label (AUROC)."""
    scorer = FuzzingScorer(None, n_examples_shown=examples_shown)
    marks, label, group = [], [], []
    for number, record in enumerate(records):
        for sample in scorer._prepare(record):
            marks.append(fuzz_marks(sample.text, sample.data.str_tokens))
            label.append(sample.data.activating)
            group.append(number)
    return tell_auroc(np.stack(marks), np.array(label), np.array(group)) if marks else None


def fuzz_marks(text: str, tokens: Sequence[str]) -> Bool[np.ndarray, " tokens"]:
    """Which of the tokens stand between << and >> in a text that delphi made of them."""
    at, inside, marks = 0, False, []
    for token in tokens:
        if inside and text.startswith(">>", at) and (text.startswith(token, at + 2) or not text.startswith(token, at)):
            at, inside = at + 2, False
        if not inside and text.startswith("<<" + token, at):
            at, inside = at + 2, True
        marks.append(inside)
        at += len(token)
    return np.array(marks)
