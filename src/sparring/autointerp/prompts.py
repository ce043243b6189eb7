"""What a language model is asked when it judges an explanation.

The wording decides how well a small model reads: one of 1.5B parameters finds words that are asked for *after* the text
and marks that are repeated in words, and hardly any where the explanation comes first or << and >> alone mark
(figures in docs/decisions/0011-how-a-small-model-is-asked.md).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

NOTHING = "Nothing is known about what the feature fires on."

_READS = "You read a text and answer a question about it with Yes or No and nothing else."
_MARKS = (
    "You are told which words a feature fires on, and some words of a text. You answer Yes if those words are such "
    "words, else No."
)
_LISTS = "You judge descriptions of a language model's features. You answer with a list of 0 and 1 and nothing else."
_ABOUT = "A feature of a language model fires on certain words. What is known about it:\n{explanation}\n\n"
_ASK_LIST = {
    "detection": "For each of these texts: 1 if the feature fires on any word of it, else 0.",
    "fuzz": "In each of these texts some words stand between << and >>: 1 if they are the ones that the feature "
    "fires on, else 0.",
}

Messages = tuple[tuple[str, str], ...]


def one_text(explanation: Mapping[str, Any], text: str, metric: str, *, tokens: int, contexts: int) -> Messages:
    """A question to be answered by Yes or No; `tokens` and `contexts` as `shown` takes them."""
    read = _flat(text)
    if metric == "detection":
        sought = _sought(explanation, tokens)
        return ("system", _READS), ("user", f"Text: {read}\n\nDoes the text hold {sought}?")
    said = shown(explanation, tokens=tokens, contexts=contexts)
    words = ", ".join(f'"{run}"' for run in dict.fromkeys(re.findall("<<(.*?)>>", read)))
    asked = f"{said}\n\nText: {read}\nMarked words: {words}\n\nDoes the feature fire on the marked words?"
    return ("system", _MARKS), ("user", asked)


def several_texts(explanation: str, texts: Sequence[str], metric: str) -> Messages:
    """A question to be answered by a list, a 0 or a 1 for each text."""
    listed = "\n".join(f"Text {number}: {_flat(text)}" for number, text in enumerate(texts, 1))
    return ("system", _LISTS), ("user", f"{_ABOUT.format(explanation=explanation)}{_ASK_LIST[metric]}\n\n{listed}")


def shown(explanation: Mapping[str, Any], *, tokens: int, contexts: int) -> str:
    """An explanation as a model reads it: as it is written, or of a token list the first few with some contexts."""
    if not explanation.get("tokens"):
        return str(explanation["text"]) or NOTHING
    said = f"It fires on: {_listed(explanation, tokens)}"
    inside = explanation["contexts"][:contexts]
    if not inside:
        return said
    lines = [f"- {_flat(context['left'])} <<{context['token'].strip()}>>" for context in inside]
    return said + "\nFor example:\n" + "\n".join(lines)


def _sought(explanation: Mapping[str, Any], tokens: int) -> str:
    if explanation.get("tokens"):
        return f"one of these words, or one like them: {_listed(explanation, tokens)}"
    return f"a word that this describes: {explanation['text'] or NOTHING}"


def _listed(explanation: Mapping[str, Any], tokens: int) -> str:
    return ", ".join(f'"{word.strip()}"' for word, _ in explanation["tokens"][:tokens])


def marked(text: str, bounds: Int[np.ndarray, " bounds"], marks: Bool[np.ndarray, " window"]) -> str:
    """The text with << and >> around each run of marked tokens; a leading space stays outside."""
    parts, at = [], 0
    for start, stop in np.flatnonzero(np.diff(np.pad(marks.astype(np.int8), 1))).reshape(-1, 2):
        first, last = int(bounds[start]), int(bounds[stop])
        first += len(text[first:last]) - len(text[first:last].lstrip())
        parts += [text[at:first], "<<", text[first:last], ">>"]
        at = last
    return "".join(parts) + text[at:]


def _flat(text: str) -> str:
    return " ".join(text.split())
