"""The small packaged model on llama.cpp, fetched once for all tests; and an engine that answers by rule."""

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from checkout import ROOT

from sparring.llm.engine import Answer, Question
from sparring.llm.llamacpp import LlamaCpp
from sparring.llm.plan import LlmPlan
from sparring.sources.gguf_parts import GGUF, prepare_gguf
from sparring.sources.source import Source

SMOL = yaml.safe_load((ROOT / "config" / "studies" / "mini.yaml").read_text())["subject"]["source"]
NAME = "SmolLM2-135M-Instruct"


def smol_gguf(base: Path) -> Path:
    """The folder that holds the model's file, below pytest's `base`."""
    folder = base / "smol"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            prepare_gguf([Source(**SMOL)], sha256=SMOL["member_sha256"], out=folder)
            (folder / "done").touch()
    return folder


def smol(folder: Path) -> LlamaCpp:
    return LlamaCpp(folder / GGUF, LlmPlan("llama.cpp", NAME, context=2048), weights=SMOL["member_sha256"])


class ByRule:
    """An engine that answers as `rule` says; it notes what it was asked."""

    noise = 0.0

    def __init__(self, rule: Callable[[Question], Answer | None], *, parallel: int = 1, weights: str = "w") -> None:
        self.identity = {"engine": "rule", "model": "by rule", "weights": weights}
        self.parallel, self._rule = parallel, rule
        self.asked: list[Question] = []

    def answer(self, question: Question) -> Answer | None:
        self.asked.append(question)
        return self._rule(question)


def yes_if(told: Callable[[str], bool], *, sure: float = 2.0) -> Callable[[Question], Answer]:
    """Says Yes to a question whose last message `told` holds for, else No; to a list of texts, for each of them."""

    def rule(question: Question) -> Answer:
        said = question.messages[-1][1]
        if question.bits:
            texts = [line.partition(": ")[2] for line in said.splitlines() if line.startswith("Text ")]
            head = said.split("Text 1: ")[0]
            return Answer(str([int(told(f"{head}Text: {text}")) for text in texts]))
        sign = sure if told(said) else -sure
        return Answer("Yes" if sign > 0 else "No", {"Yes": sign / 2 - 1, "No": -sign / 2 - 1})

    return rule


class Broken:
    """A stand-in for pytest.raises around engines: counts down, then raises what it was given."""

    def __init__(self, after: int, error: Exception) -> None:
        self.left, self.error = after, error

    def __call__(self, question: Question) -> Answer:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return Answer("Yes", {"Yes": -0.1, "No": -2.0})


@pytest.fixture(scope="session")
def smol_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    base = tmp_path_factory.getbasetemp()
    return smol_gguf(base if worker_id == "master" else base.parent)
