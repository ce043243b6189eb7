"""Delphi's questions put to our engines: all of them at once, cached and counted, instead of one by one.

What delphi asks depends on no answer within a stage, so a stage runs twice: with a `Listener`, to hear what it asks,
and with a `Teller`, which has the answers.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from sparring.autointerp.canary import Ask
from sparring.autointerp.delphi_upstream import Client, DetectionScorer, Response, Sample, logger
from sparring.autointerp.plan import DelphiPlan
from sparring.autointerp.prompts import shown
from sparring.llm.answers import Asker
from sparring.llm.engine import Answer, Question

Made = TypeVar("Made")


class Listener(Client):
    """Notes each question and answers with nothing."""

    def __init__(self, max_tokens: int) -> None:
        self.heard: list[Question] = []
        self._max_tokens = max_tokens

    async def generate(self, prompt: Any, **_: Any) -> Any:
        """An empty answer; delphi asks at temperature 0, as we do."""
        self.heard.append(_question(prompt, self._max_tokens))
        return Response(text="")


class Teller(Client):
    """Answers from what was asked before; a question that got no answer gets an empty one, which delphi cannot read."""

    def __init__(self, answers: dict[str, str], max_tokens: int) -> None:
        self._answers, self._max_tokens = answers, max_tokens

    async def generate(self, prompt: Any, **_: Any) -> Any:
        """The answer as delphi's own clients give it."""
        return Response(text=self._answers[_question(prompt, self._max_tokens).digest])


def answered(stage: Callable[[Client], Coroutine[Any, Any, Made]], asker: Asker, *, max_tokens: int, desc: str) -> Made:
    """What the delphi `stage` makes with the client it is given, once all its questions are answered."""
    listener = Listener(max_tokens)
    with _quiet():  # delphi logs each empty answer as an error
        asyncio.run(stage(listener))
    found = asker.ask(listener.heard, desc=desc)
    told = {
        question.digest: answer.text if answer else "" for question, answer in zip(listener.heard, found, strict=True)
    }
    with _quiet():
        return asyncio.run(stage(Teller(told, max_tokens)))


def canary_asker(asker: Asker, plan: DelphiPlan) -> Ask:
    """How the canary puts its texts: by delphi's detection prompt, in a mixed order; NaN where delphi cannot read."""

    def ask(questions: Sequence[tuple[Mapping[str, Any], Sequence[str]]]) -> list[list[float]]:
        scorer = DetectionScorer(None, n_examples_shown=plan.n_examples_shown)
        put, orders = [], []
        for explanation, texts in questions:
            order = np.random.default_rng([plan.seed, len(texts)]).permutation(len(texts))
            samples = [Sample(texts[i], None) for i in order]
            said = shown(explanation, tokens=10, contexts=3)
            prompts = [scorer._build_prompt(said, batch) for batch in scorer._batch(samples)]
            put.append([_question(prompt, plan.max_tokens) for prompt in prompts])
            orders.append(order)
        answers = iter(asker.ask([one for several in put for one in several], desc="canary", anew=True))
        found = []
        for several, order in zip(put, orders, strict=True):
            read = [score for _ in several for score in _read(scorer, next(answers))]
            scores = np.full(len(order), np.nan)
            scores[order] = read[: len(order)]
            found.append(scores.tolist())
        return found

    return ask


def _read(scorer: DetectionScorer, answer: Answer | None) -> list[float]:
    try:
        predictions, _ = scorer._parse(answer.text if answer else "", None)
    except (ValueError, AssertionError):
        return [float("nan")] * scorer.n_examples_shown
    return [float(prediction) for prediction in predictions]


def _question(prompt: list[dict[str, str]], max_tokens: int) -> Question:
    return Question(tuple((said["role"], said["content"]) for said in prompt), max_tokens)


@contextmanager
def _quiet() -> Iterator[None]:
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
