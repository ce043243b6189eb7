"""llama.cpp in this process: a GGUF file answers, its common prefixes kept from one question to the next."""

import os
from pathlib import Path
from typing import Any

from sparring.errors import SparringError
from sparring.llm.engine import Answer, Question, read_completion
from sparring.llm.plan import LlmPlan


class LlamaCpp:
    """The model of `path` (one slot, so that questions in a row share what their prompts have in common)."""

    parallel = 1
    noise = 0.15  # how much of a prompt was kept moves the sums; seen with a 4-bit model: a mean of 0.02, at most 0.15

    def __init__(self, path: Path, plan: LlmPlan, *, weights: str) -> None:
        # Here, as it loads a library of 100 MB that only language models need.
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel = plan.context, 1
        params.warmup, params.verbosity = False, -1
        for threads in (params.cpuparams, params.cpuparams_batch):
            threads.n_threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
            threads.poll = 0  # waiting threads leave the cores to others
        try:
            self._server: Any = xllamacpp.Server(params)
        except RuntimeError as error:
            raise SparringError(f"llama.cpp cannot load {plan.name} ({error}): give a GGUF that it knows") from None
        self.url = str(self._server.listening_address)
        self.identity = {"engine": f"llama.cpp ({xllamacpp.__version__})", "model": plan.name, "weights": weights}

    def answer(self, question: Question) -> Answer | None:
        """As `Engine.answer`; None for a question that does not fit the context."""
        body: dict[str, Any] = question.body()
        if question.bits:
            body["grammar"] = question.grammar
        completion = self._server.handle_chat_completions(body)
        if "error" in completion or "choices" not in completion:
            return None
        return read_completion(completion)
