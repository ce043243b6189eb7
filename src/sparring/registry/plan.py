"""A run of a study: which figures it reports, of which arms, and what was expected. Nothing here imports torch."""

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from sparring.errors import SparringError

Measure = Literal["train", "smoke", "recon", "autointerp", "headtohead"]
REPRODUCED, NOVEL, INCONCLUSIVE, FAILED, SUPERSEDED = "reproduced", "novel", "inconclusive", "failed", "superseded"
STATUSES = (REPRODUCED, NOVEL, INCONCLUSIVE, FAILED, SUPERSEDED)
RUN_NAME = r"[a-z][a-z0-9-]*"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RunPlan:
    """One run: the jobs of its measures make it, and its figures are read off their results.

    measures: what it reports, of each of `arms`. expected: the range that a figure must lie in to count as reproduced.
    published: what others measured, carried along as it is. superseded_by: the run of this study that replaces it.
    """

    what: str
    measures: Annotated[list[Measure], Field(min_length=1)]
    arms: Annotated[list[str], Field(min_length=1)]
    expected: dict[str, tuple[float, float]] = field(default_factory=dict)
    published: dict[str, Any] = field(default_factory=dict)
    superseded_by: str | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in self.expected.items():
            if not low <= high:
                raise SparringError(f"runs: expected {name} is [{low}, {high}]; write the lower end first")
