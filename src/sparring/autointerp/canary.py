"""The canary: fifty plain questions of known answer that every scoring job puts to its scorer.

Five concepts with an explanation each; five texts that show it, and the five of the next concept, which do not. The
answers say whether the scorer works at all, and, compared between two jobs, whether it is the same one still: other
weights, another engine or another prompt shows here, whatever name the scorer goes by.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparring.stats.auroc import auroc

Ask = Callable[[Sequence[tuple[Mapping[str, Any], Sequence[str]]]], list[list[float]]]
"""[(explanation, texts)] -> how well each text fits its explanation; NaN where the answer could not be read."""


def canary(ask: Ask) -> dict[str, Any]:
    """{"items", "auroc" (mean over the concepts, None if one has no readable answers), "scores"}; items in order."""
    concepts = json.loads(Path(__file__).with_name("canary.json").read_text(encoding="utf-8"))
    names = list(concepts)
    questions = []
    for name, other in zip(names, names[1:] + names[:1], strict=True):
        texts = [*concepts[name]["texts"], *concepts[other]["texts"]]
        questions.append((_explanation(name, concepts[name]), texts))
    answers = ask(questions)
    scores = [score for found in answers for score in found]
    shown = len(concepts[names[0]]["texts"])
    areas = [auroc(np.arange(len(found)) < shown, found).value for found in answers]
    known = [area for area in areas if area is not None]
    # Four digits: the last bits depend on the number of cores.
    shown_scores = [None if np.isnan(score) else round(score, 4) for score in scores]
    mean = float(np.mean(known)) if len(known) == len(areas) else None
    return {"items": len(scores), "auroc": mean, "scores": shown_scores}


def changed(before: Mapping[str, Any], after: Mapping[str, Any], *, tolerance: float) -> int:
    """How many of the fifty answers differ between two canaries, by more than `tolerance` or in being readable."""
    pairs = zip(before["scores"], after["scores"], strict=True)
    return sum((a is None) != (b is None) or (a is not None and abs(a - b) > tolerance) for a, b in pairs)


def _explanation(name: str, concept: Mapping[str, Any]) -> dict[str, Any]:
    contexts = [{"left": left, "token": token, "share": 1.0} for left, token in concept["contexts"]]
    return {"text": name, "tokens": [[token, 1.0] for token in concept["tokens"]], "contexts": contexts}
