"""A run of a study: which figures it reports, of which arms, and what was expected. Nothing here imports torch."""

from collections.abc import Collection, Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from sparring.errors import SparringError

Measure = Literal[
    "train",
    "smoke",
    "recon",
    "autointerp",
    "headtohead",
    "saebench",
    "probing",
    "feature_sets",
    "steering",
    "edges",
    "unlearning",
    "memory",
]
REPRODUCED, NOVEL, INCONCLUSIVE, FAILED, SUPERSEDED = "reproduced", "novel", "inconclusive", "failed", "superseded"
STATUSES = (REPRODUCED, NOVEL, INCONCLUSIVE, FAILED, SUPERSEDED)
RUN_NAME = r"[a-z][a-z0-9-]*"

# Measures of something that the study names, and the study's key with those names.
NAMED: Mapping[Measure, str] = {
    "saebench": "tasks",
    "probing": "tasks",
    "feature_sets": "feature_sets",
    "steering": "steering",
    "edges": "edges",
    "unlearning": "unlearning",
    "memory": "memory",
}
# Measures of all arms together.
WHOLE: Collection[Measure] = ("headtohead", "feature_sets", "steering", "edges", "unlearning", "memory")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RunPlan:
    """One run: the jobs of its measures make it, and its figures are read off their results.

    measures: what it reports, of each of `arms`. about: the task of saebench and probing, or which of the study's
    feature sets, steerings, edges, unlearning or memory plans is meant. expected: the range of a figure that is
    reproduced. published: what others measured, carried along as it is. superseded_by: the run that replaces it.
    """

    what: str
    measures: Annotated[list[Measure], Field(min_length=1)]
    arms: list[str] = field(default_factory=list)
    about: str | None = None
    expected: dict[str, tuple[float, float]] = field(default_factory=dict)
    published: dict[str, Any] = field(default_factory=dict)
    superseded_by: str | None = None

    def __post_init__(self) -> None:
        if (wants := [measure for measure in self.measures if measure in NAMED]) and self.about is None:
            raise SparringError(f"runs: measure {wants[0]} needs `about`: one of the study's {NAMED[wants[0]]}")
        if not self.arms and (wants := [measure for measure in self.measures if measure != "memory"]):
            raise SparringError(f"runs: measure {wants[0]} needs `arms`: the coders that it is taken of")
        for name, (low, high) in self.expected.items():
            if not low <= high:
                raise SparringError(f"runs: expected {name} is [{low}, {high}]; write the lower end first")
