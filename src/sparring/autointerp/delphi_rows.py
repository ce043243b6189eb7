"""Delphi's outputs as rows of scores.parquet, and what delphi does not say of them: leaked windows, the marks' tell."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from sparring.autointerp.delphi_upstream import FuzzingScorer, LatentRecord
from sparring.autointerp.marks import tell_auroc
from sparring.autointerp.windows import Firings, Windows


def record_rows(
    cache: Firings, windows: Windows, record: LatentRecord, outputs: Sequence[Any], **named: Any
) -> list[dict[str, Any]]:
    """A row an output, delphi's test examples first; `named` are the columns that all of them share.

    The place of a window is found by its tokens: of two equal windows it is the first. -1 where it is in none of ours.
    """
    examples = [*record.test, *record.not_active]
    index = {id(example.str_tokens): i for i, example in enumerate(examples)}  # an output holds its example's own list
    rows = []
    for output in sorted(outputs, key=lambda output: index[id(output.str_tokens)]):
        i = index[id(output.str_tokens)]
        row = _place(cache, windows, examples[i].tokens.numpy())
        rows.append(
            {
                **named,
                "latent": record.latent.latent_index,
                "example": i,
                "label": output.activating,
                "score": float("nan") if output.prediction is None else float(output.prediction),
                "document": -1 if row is None else int(windows.document[row]),
                "sequence": -1 if row is None else int(cache.sequence[windows.sequence[row]]),
                "start": -1 if row is None else int(windows.start[row]),
                "activation": float(max(output.activations)) if output.activating else 0.0,
                "marks": [],
            }
        )
    return rows


def _place(cache: Firings, windows: Windows, ids: np.ndarray) -> int | None:
    at = cache.tokens[windows.sequence, windows.start] == ids[0]
    for row in np.flatnonzero(at):
        start = windows.start[row]
        if np.array_equal(cache.tokens[windows.sequence[row], start : start + windows.size], ids):
            return int(row)
    return None


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
