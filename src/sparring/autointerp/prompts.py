"""What a language model is asked when it judges an explanation: the explanation first, the text last.

So all questions about one explanation begin alike, and an engine that keeps prefixes reads the explanation once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

NOTHING = "Nothing is known about what the feature fires on."

_SYSTEM = "You judge descriptions of a language model's features. You answer with Yes or No and nothing else."
_LISTS = "You judge descriptions of a language model's features. You answer with a list of 0 and 1 and nothing else."
_ABOUT = "A feature of a language model fires on certain words. What is known about it:\n{explanation}\n\n"
_ASK = {
    "detection": "Does the feature fire on any word of this text?",
    "fuzz": "Some words of this text stand between << and >>. Are they the ones that the feature fires on?",
}
_ASK_LIST = {
    "detection": "For each of these texts: 1 if the feature fires on any word of it, else 0.",
    "fuzz": "In each of these texts some words stand between << and >>: 1 if they are the ones that the feature "
    "fires on, else 0.",
}

Messages = tuple[tuple[str, str], ...]


def one_text(explanation: str, text: str, metric: str) -> Messages:
    """A question to be answered by Yes or No."""
    asked = f"{_ABOUT.format(explanation=explanation)}{_ASK[metric]}\n\nText: {_flat(text)}"
    return ("system", _SYSTEM), ("user", asked)


def several_texts(explanation: str, texts: Sequence[str], metric: str) -> Messages:
    """A question to be answered by a list, a 0 or a 1 for each text."""
    listed = "\n".join(f"Text {number}: {_flat(text)}" for number, text in enumerate(texts, 1))
    return ("system", _LISTS), ("user", f"{_ABOUT.format(explanation=explanation)}{_ASK_LIST[metric]}\n\n{listed}")


def shown(explanation: Mapping[str, Any], *, tokens: int, contexts: int) -> str:
    """An explanation as a model reads it: as it is written, or of a token list the first few with some contexts.

    Empty where nothing was written.
    """
    if not explanation.get("tokens"):
        return str(explanation["text"])
    said = "It fires on: " + ", ".join(f'"{word.strip()}"' for word, _ in explanation["tokens"][:tokens])
    inside = explanation["contexts"][:contexts]
    if not inside:
        return said
    lines = [f"- {_flat(context['left'])} <<{context['token'].strip()}>>" for context in inside]
    return said + "\nFor example:\n" + "\n".join(lines)


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
