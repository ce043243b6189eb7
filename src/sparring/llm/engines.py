"""Opens the engine that a job's plan names, and closes it when the job has no more questions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparring.canonical import sha256_file
from sparring.errors import SparringError
from sparring.jobview import Job
from sparring.llm.endpoint import Endpoint
from sparring.llm.engine import Engine
from sparring.llm.llamacpp import LlamaCpp
from sparring.llm.plan import LlmPlan
from sparring.llm.vllm import Vllm
from sparring.memo import job_name
from sparring.sources.gguf_parts import GGUF


@contextmanager
def engine_of(job: Job) -> Iterator[Engine]:
    """The engine of the job's `model`, on the artifact `llm`; a server that it starts is stopped at the end."""
    plan = LlmPlan(**job.spec["model"])
    if plan.engine == "openai":
        yield Endpoint(plan)
    elif plan.engine == "llama.cpp":
        yield open_gguf(job.folder("llm"), plan)
    else:
        vllm = Vllm(
            job.folder("llm"),
            plan,
            lock=job.checkout / plan.served_from,
            weights=job.content("llm"),
            log=Path("logs", f"{job_name(job.rule, job.wildcards)}.server.txt"),
        )
        try:
            yield vllm
        finally:
            vllm.close()


def open_gguf(folder: Path, plan: LlmPlan) -> Engine:
    """llama.cpp on the model that the llm stage fetched into `folder`."""
    path = folder / GGUF
    if not path.is_file():
        raise SparringError(f"{folder} holds no {GGUF}: name the sources of the model in llm.sources")
    return LlamaCpp(path, plan, weights=sha256_file(path))
