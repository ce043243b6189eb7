"""Which language model is asked, and how it is reached. No engine is imported here: a study is read at each parse."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from sparring.errors import SparringError

SCORER_LOCK = "envs/scorer.lock"


@dataclass(frozen=True)
class LlmPlan:
    """A language model: llama.cpp on a GGUF file, vLLM on safetensors, or any OpenAI-style endpoint."""

    engine: Literal["llama.cpp", "vllm", "openai"]
    name: str
    """What people call it; an endpoint is asked for the model of this name."""
    context: int = 4096
    """llama.cpp, vllm: tokens of prompt and answer together."""
    lock: str | None = None
    """vllm: the lock file of the server's environment, beside the Snakefile; None is SCORER_LOCK."""
    start: float = 1800.0
    """vllm: seconds until the server must answer; a first start compiles."""
    url: str | None = None
    """openai: where it is, as in http://127.0.0.1:8000/v1."""
    weights: str | None = None
    """openai: which weights it is said to serve (a commit, a digest): part of what its answers are filed under."""
    key_env: str | None = None
    """openai: the environment variable that holds its key."""
    parallel: int = 8
    """openai, vllm: questions in flight."""
    tries: int = 6
    """openai, vllm: how often a question is put before the endpoint counts as dead."""
    wait: float = 1.0
    """openai, vllm: seconds before the second try, about; doubled for each further one."""
    timeout: float = 600.0
    """openai, vllm: seconds to wait for one answer."""

    def __post_init__(self) -> None:
        if self.engine == "openai":
            if self.url is None or self.weights is None:
                lacking = "url" if self.url is None else "weights"
                raise SparringError(f"llm.model.{lacking} is missing: an endpoint needs its url and what it serves")
            parts = urlsplit(self.url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise SparringError(f"llm.model.url is {self.url!r}: write it as http://HOST:PORT/v1")
            if parts.username or parts.password or parts.query:
                raise SparringError(
                    "llm.model.url holds a key or a query: name the key's variable in llm.model.key_env"
                )
        elif self.url or self.weights or self.key_env:
            raise SparringError("llm.model: url, weights and key_env are an endpoint's; for them set engine: openai")
        if self.lock is not None and self.engine != "vllm":
            raise SparringError(f"llm.model.lock: {self.engine} has no environment of its own; set engine: vllm")
        for key in ("context", "start", "parallel", "tries", "wait", "timeout"):
            if getattr(self, key) <= 0:
                raise SparringError(f"llm.model.{key} is {getattr(self, key)}: it must be above 0")

    @property
    def served_from(self) -> str:
        """The lock file of vLLM's environment, relative to the Snakefile's folder."""
        return self.lock or SCORER_LOCK
