"""What a language model is asked, what it answers, and what an engine is: whatever answers one question.

A new engine is one file, a class with the four members of `Engine`, and a line in engines.py.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, runtime_checkable

from sparring.canonical import digest


@dataclass(frozen=True)
class Question:
    """One request for a chat completion at temperature 0.

    `messages` are (role, text); `top` > 0 asks for the log-probabilities of that many candidates for the answer's first
    token; `bits` > 0 allows no answer but a JSON list of that many 0s and 1s.
    """

    messages: tuple[tuple[str, str], ...]
    max_tokens: int
    top: int = 0
    bits: int = 0

    @property
    def digest(self) -> str:
        """What the cache of answers files it under (sha256)."""
        return digest(asdict(self))

    @property
    def grammar(self) -> str:
        """The list of bits as llama.cpp's grammar (GBNF)."""
        return f'root ::= "[" [01] (", " [01]){{{self.bits - 1}}} "]"'

    def body(self) -> dict[str, Any]:
        """The request as OpenAI's chat completions take it; each engine says in its own way that bits are wanted."""
        asked: dict[str, Any] = {
            "messages": [{"role": role, "content": text} for role, text in self.messages],
            "max_tokens": self.max_tokens,
            "temperature": 0.0,
            "seed": 0,
        }
        return asked | ({"logprobs": True, "top_logprobs": self.top} if self.top else {})


@dataclass(frozen=True)
class Answer:
    """The text, and the log-probabilities of the candidates for its first token (empty unless asked for)."""

    text: str
    first: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Engine(Protocol):
    """A model that answers. `identity` is all that decides its answers, as JSON values; its digest names the cache."""

    @property
    def identity(self) -> Mapping[str, Any]: ...

    @property
    def parallel(self) -> int:
        """How many questions it takes at once."""
        ...

    @property
    def noise(self) -> float:
        """By how much, in nats, its log-probabilities for one question may differ from one time to the next."""
        ...

    def answer(self, question: Question) -> Answer | None:
        """The answer; None where this one question cannot be answered. SparringError where none can be any more."""
        ...


def read_completion(completion: Mapping[str, Any]) -> Answer:
    """The answer in a chat completion, in the form that OpenAI, llama.cpp and vLLM share."""
    choice = completion["choices"][0]
    found = (choice.get("logprobs") or {}).get("content") or []
    first: dict[str, float] = {}
    for candidate in found[0]["top_logprobs"] if found else []:
        first.setdefault(candidate["token"], float(candidate["logprob"]))
    return Answer(choice["message"]["content"] or "", first)
