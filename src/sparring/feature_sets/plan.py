"""Which latents make a feature set, and what it is held against. Light: a study is read at each parse."""

from dataclasses import field
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from sparring.errors import SparringError


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FeatureSetPlan:
    """The strongest latents of some coders for one class of a task, against random sets of the same size."""

    task: str
    label: str
    """The class that is told from the others."""
    arms: Annotated[list[str], Field(min_length=1)]
    """The coders, in order of depth: the set is the union of as many latents of each."""
    sizes: list[Annotated[int, Field(ge=1)]] = field(default_factory=lambda: [5, 10, 20, 50])
    """Latents of each coder."""
    random_sets: Annotated[int, Field(ge=1)] = 100
    """Random sets, matched on firing rate latent by latent."""
    resamples: Annotated[int, Field(ge=1)] = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        if len(set(self.arms)) < len(self.arms):
            raise SparringError(f"feature_sets: arms {self.arms}; name each coder once")
        if not self.sizes or len(set(self.sizes)) < len(self.sizes):
            raise SparringError(f"feature_sets: sizes {self.sizes}; name at least one, each once")
