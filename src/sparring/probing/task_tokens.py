"""The tokens of a task's texts, the beginning of each: what is run for its rows, and whenever it is run again."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Int32, UInt8

from sparring.errors import SparringError
from sparring.tokenizer import load_tokenizer, subject_config
from sparring.tokens import Cutter, check_fit


class TaskTokens(NamedTuple):
    """Token ids padded on the right, and 1 where one counts (specials, padding and position 0 do not)."""

    ids: Int32[np.ndarray, "text position"]
    counted: UInt8[np.ndarray, "text position"]

    def some(self, texts: Int[np.ndarray, " some"]) -> "TaskTokens":
        """Those of the texts with these numbers."""
        return TaskTokens(self.ids[texts], self.counted[texts])


def task_tokens(subject: Path, texts: Sequence[str], *, context: int) -> TaskTokens:
    """At most `context` tokens of each text. Raises SparringError for a text without a token that counts."""
    check_fit(subject_config(subject), context)
    tokenizer = load_tokenizer(subject)
    cutter = Cutter(tokenizer, context)
    encoded = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    pairs = [cutter.beginning(ids) for ids in encoded]
    ids, counted = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    if not (some := counted.any(axis=1)).all():
        text = texts[int(np.flatnonzero(~some)[0])]
        raise SparringError(f"task: text {text!r:.60} has no token that counts (specials and position 0 do not)")
    return TaskTokens(ids, counted)
