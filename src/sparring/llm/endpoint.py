"""An OpenAI-style endpoint by URL: vLLM, llama.cpp's server, or a provider's."""

import os
import re
from collections.abc import Callable
from typing import Any

import httpx
import tenacity

from sparring.errors import SparringError
from sparring.llm.engine import Answer, Question, read_completion
from sparring.llm.plan import LlmPlan

_TOO_LONG = re.compile(r"context|too long|max_tokens|maximum", re.IGNORECASE)  # one question's fault, no other's
_BUSY = (408, 409, 425, 429, 500, 502, 503, 504)


class _Busy(Exception):
    """The endpoint gave no answer this time."""


class Endpoint:
    """`plan.url` (as in http://host:8000/v1) with the model called `plan.name`; the key from the variable `key_env`.

    A server of this very process is reached by its `key`, past any proxy, and asked no longer than it `lives`.
    """

    noise = 0.5  # what else is in its batch moves them, in half precision

    def __init__(self, plan: LlmPlan, *, key: str = "", lives: Callable[[], bool] = lambda: True) -> None:
        assert plan.url is not None
        ours = bool(key)
        key = key or os.environ.get(plan.key_env or "", "")
        if plan.key_env and not key:
            raise SparringError(f"llm.key_env is {plan.key_env!r}, but that variable is not set: put the key into it")
        self._plan, self.parallel = plan, plan.parallel
        self.identity = {"engine": "endpoint", "model": plan.name, "weights": plan.weights}
        self._http = httpx.Client(
            base_url=plan.url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(plan.timeout, connect=10.0),
            limits=httpx.Limits(max_connections=plan.parallel),
            trust_env=not ours,
        )
        self._tries = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(plan.tries),
            wait=tenacity.wait_random_exponential(multiplier=plan.wait, max=60.0),
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, _Busy) and lives()),
            reraise=True,
        )

    def answer(self, question: Question) -> Answer | None:
        """As `Engine.answer`: tried again with growing pauses; None if it fails while the endpoint itself is alive."""
        body = question.body() | {"model": self._plan.name}
        if question.bits:  # each of the two reads its own and ignores the other's
            body["structured_outputs"] = {"regex": rf"\[[01](, [01]){{{question.bits - 1}}}\]"}
            body["grammar"] = question.grammar
        try:
            completion = self._tries(self._post, body)
            return None if completion is None else read_completion(completion)
        except _Busy as error:
            if self._alive():
                return None
            raise SparringError(
                f"the endpoint {self._plan.url} gave no answer in {self._plan.tries} tries ({error}): start it again"
            ) from None

    def _post(self, body: dict[str, Any]) -> dict[str, Any] | None:
        try:
            response = self._http.post("chat/completions", json=body)
            if response.status_code in _BUSY:
                raise _Busy(f"HTTP {response.status_code}")
            if response.status_code in (400, 413, 422) and _TOO_LONG.search(response.text):
                return None
            if response.is_error:
                raise SparringError(
                    f"the endpoint {self._plan.url} refuses the question for model {self._plan.name!r}: "
                    f"HTTP {response.status_code}, {response.text[:200]!r}"
                )
            return dict(response.json())
        except (httpx.TransportError, ValueError) as error:
            raise _Busy(f"{type(error).__name__}: {error}") from None

    def _alive(self) -> bool:
        try:
            return not self._http.get("models").is_error
        except httpx.TransportError:
            return False
