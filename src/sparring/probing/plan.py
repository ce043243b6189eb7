"""Labelled texts, and how coders are probed on them. Light: a study is read at each parse."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from sparring.errors import SparringError
from sparring.sources.source import Source

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class Task:
    """One set of labelled texts. Each class is told from the others by a probe of its own."""

    source: Source
    format: Literal["csv", "jsonl", "parquet", "txt"]
    text: str = "text"
    """The column that holds the text; txt has one text a file."""
    label: str | None = None
    """The column that holds the class; none for txt, where it is the folder that a file lies in."""
    balance: str | None = None
    """A second column whose every value gives a class as many texts, as sae_bench balances biographies by gender."""
    labels: list[str] = field(default_factory=list)
    """The classes wanted, in this order; none: all there are, sorted."""
    train: int = 4000
    """Texts of one probe: half of them of the class, half of the others together. sae_bench's own number."""
    test: int = 1000
    context: Annotated[int, Field(ge=8)] = 128
    """Tokens; of a longer text the beginning is taken."""
    seed: int = 0
    """Of the split."""

    def __post_init__(self) -> None:
        if (self.format == "txt") != (self.label is None):
            raise SparringError(
                "a task of format txt has its classes from folders; take `label` away"
                if self.format == "txt"
                else f"a task of format {self.format} needs `label`, the column that holds the class"
            )
        if self.format == "txt" and self.balance is not None:
            raise SparringError("a task of format txt has no columns; take `balance` away")
        if len(set(self.labels)) < len(self.labels) or len(self.labels) == 1:
            raise SparringError(f"a task's labels {self.labels}: name at least two, each once, or none for all")
        for key in ("train", "test"):
            parts = 4 if self.balance else 2
            if getattr(self, key) < parts or getattr(self, key) % parts:
                raise SparringError(f"a task's {key} is {getattr(self, key)}: it must be a multiple of {parts}")


@dataclass(frozen=True, config=_STRICT)
class ProbingPlan:
    """What is probed, on every task alike."""

    ks: list[Annotated[int, Field(ge=1)]] = field(default_factory=lambda: [1, 2, 5])
    """Latents (or coordinates) that a sparse probe may use."""
    seed: int = 42
    """Of the negatives of each class; 42 is sae_bench's own."""
    resamples: Annotated[int, Field(ge=1)] = 10_000
    """Of the test texts, for the intervals."""

    def __post_init__(self) -> None:
        if not self.ks or len(set(self.ks)) < len(self.ks):
            raise SparringError(f"probing.ks is {self.ks}: name at least one number, each once")
