"""Opens the engine that a plan names."""

from pathlib import Path

from sparring.canonical import sha256_file
from sparring.errors import SparringError
from sparring.llm.endpoint import Endpoint
from sparring.llm.engine import Engine
from sparring.llm.llamacpp import LlamaCpp
from sparring.llm.plan import LlmPlan
from sparring.sources.gguf_parts import GGUF


def open_engine(folder: Path, plan: LlmPlan) -> Engine:
    """The engine of `plan`; `folder` holds the model that the llm stage fetched (nothing for an endpoint)."""
    if plan.engine == "openai":
        return Endpoint(plan)
    path = folder / GGUF
    if not path.is_file():
        raise SparringError(f"{folder} holds no {GGUF}: name the sources of the model in llm.sources")
    return LlamaCpp(path, plan, weights=sha256_file(path))
