"""A language model as a scorer: by Yes or No, read off the log-probabilities, or by lists of 0 and 1.

Yes or No: one example a question; the score is log P(Yes) - log P(No) of the answer's first token, summed over the ways
to write them. That needs no parsing and gives a degree, where a list gives only 0 or 1 (and is what delphi asks for).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import logsumexp

from sparring.autointerp.asked import EMPTY, Asked, Explanation
from sparring.autointerp.examples import Protocol
from sparring.autointerp.plan import AskPlan
from sparring.autointerp.prompts import marked, one_text, several_texts, shown
from sparring.autointerp.text import TokenText
from sparring.llm.answers import Asker
from sparring.llm.engine import Answer, Question

NAMES = {"yes/no": "a language model's Yes or No", "list": "a language model's lists of 0 and 1"}
_TOP = 20  # candidates for the first token whose log-probabilities are asked for


@dataclass(frozen=True)
class LlmScorer:
    """See autointerp/asked.py for what a scorer does."""

    protocol: Protocol
    text: TokenText
    asker: Asker
    plan: AskPlan

    @property
    def meta(self) -> Mapping[str, Any]:
        """The form of the questions, what the model is shown, and the model."""
        form, plan = NAMES[self.plan.form], self.plan
        return {"name": form, **self.asker.engine.identity, "tokens": plan.tokens, "contexts": plan.contexts}

    @property
    def tolerance(self) -> float:
        """Of a list, less than a bit; else that of the engine, as a score is a difference of log-probabilities."""
        return 0.5 if self.plan.form == "list" else 2 * self.asker.engine.noise

    def score(self, asked: Sequence[Asked], *, desc: str) -> list[Float[np.ndarray, " examples"]]:
        """The model's answers."""
        return self._put([(one.explanation, one.metric, self._texts(one)) for one in asked], desc=desc)

    def ask(self, questions: Sequence[tuple[Explanation, Sequence[str]]]) -> list[list[float]]:
        """Detection on plain texts, put to the model whatever it has answered before."""
        put = self._put([(said, "detection", list(texts)) for said, texts in questions], desc="canary", anew=True)
        return [scores.tolist() for scores in put]

    def _texts(self, asked: Asked) -> list[str]:
        shown_texts = [self.text.window(ids) for ids in self.protocol.tokens(asked.window)]
        if asked.metric == "detection":
            return [text for text, _ in shown_texts]
        return [marked(text, cut, marks) for (text, cut), marks in zip(shown_texts, asked.marks, strict=True)]

    def _put(
        self, tasks: Sequence[tuple[Explanation, str, list[str]]], *, desc: str, anew: bool = False
    ) -> list[Float[np.ndarray, " n"]]:
        each = [self._questions(*task) for task in tasks]
        asked = [question for questions in each for question in questions]
        answers = iter(self.asker.ask(asked, desc=desc, anew=anew))
        return [
            self._scores(questions, answers, len(texts)) for questions, (_, _, texts) in zip(each, tasks, strict=True)
        ]

    def _questions(self, explanation: Explanation, metric: str, texts: list[str]) -> list[Question]:
        plan = self.plan
        if explanation is not EMPTY and not (explanation["text"] or explanation.get("tokens")):
            return []  # none was written
        cut = {"tokens": plan.tokens, "contexts": plan.contexts}
        if plan.form == "yes/no":
            return [Question(one_text(explanation, text, metric, **cut), max_tokens=1, top=_TOP) for text in texts]
        said = shown(explanation, **cut)
        mixed = [texts[i] for i in self._order(len(texts))]
        groups = [mixed[i : i + plan.listed] for i in range(0, len(mixed), plan.listed)]
        return [
            Question(several_texts(said, group, metric), max_tokens=4 * len(group) + 2, bits=len(group))
            for group in groups
        ]

    def _scores(
        self, questions: list[Question], answers: Iterator[Answer | None], count: int
    ) -> Float[np.ndarray, " n"]:
        scores = np.full(count, np.nan)
        if not questions:
            return scores
        if self.plan.form == "yes/no":
            return np.array([read_yes(next(answers)) for _ in questions])
        scores[self._order(count)] = [bit for one in questions for bit in read_bits(next(answers), one.bits)]
        return scores

    def _order(self, count: int) -> Int[np.ndarray, " count"]:
        """The order in which a list's examples are shown: mixed, or the place in the list would tell the label."""
        return np.random.default_rng([self.plan.seed, count]).permutation(count)


def read_yes(answer: Answer | None) -> float:
    """log P(Yes) - log P(No); NaN where neither is among the candidates. One that is not counts as their least."""
    if answer is None:
        return float("nan")
    said = {"yes": [], "no": []}  # type: dict[str, list[float]]
    for token, value in answer.first.items():
        word = token.strip().lower()
        if word in said:
            said[word].append(value)
    if not (said["yes"] or said["no"]):
        return float("nan")
    least = min(answer.first.values())
    yes, no = (float(logsumexp(said[word])) if said[word] else least for word in ("yes", "no"))
    return yes - no


def read_bits(answer: Answer | None, count: int) -> list[float]:
    """The list of 0s and 1s; NaN throughout where the answer is no such list of `count`."""
    try:
        bits = json.loads(answer.text) if answer else None
    except ValueError:
        bits = None
    right = isinstance(bits, list) and len(bits) == count and all(bit in (0, 1) and type(bit) is int for bit in bits)
    return [float(bit) for bit in bits] if right and bits else [float("nan")] * count
