"""Text of token windows, and which characters belong to which token, through the subject's own tokenizer."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from tokenizers import Tokenizer

from sparring.errors import SparringError

_BROKEN = "�"  # what decoding gives for part of a character


class TokenText:
    """Decodes whole windows; a character split over several tokens belongs to the token that completes it.

    Everything is decoded behind an anchor token, whose text is then cut off: tokenizers that drop a leading space, and
    those that write it, then give a word the same string wherever it stands.
    """

    def __init__(self, subject: Path) -> None:
        path = subject / "tokenizer.json"
        if not path.is_file():
            raise SparringError(f"the subject has no {path.name}: save the model's fast tokenizer beside its weights")
        self._tokenizer: Any = Tokenizer.from_file(str(path))  # transformers' wrapper takes seconds to import
        self._anchor: list[int] = self._tokenizer.encode("a", add_special_tokens=False).ids
        self._offset = len(self._decode([]))
        self._words: dict[int, str] = {}

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(self._anchor + ids, skip_special_tokens=False))

    def window(self, ids: Int[np.ndarray, " n"]) -> tuple[str, Int[np.ndarray, " bounds"]]:
        """The text of `ids` and n + 1 bounds: token `i` is `text[bounds[i] : bounds[i + 1]]`, empty in a character."""
        listed = ids.tolist()
        text = self._decode(listed)[self._offset :]
        bounds = [0]
        for stop in range(1, len(listed) + 1):
            done = len(self._decode(listed[:stop])[self._offset :].rstrip(_BROKEN))
            bounds.append(min(max(bounds[-1], done), len(text)))
        bounds[-1] = len(text)
        return text, np.array(bounds, dtype=np.int64)

    def word(self, token: int) -> str:
        """One token's text with its leading space, empty if it is only part of a character."""
        if token not in self._words:
            text = self._decode([token])[self._offset :]
            self._words[token] = "" if _BROKEN in text else text
        return self._words[token]
