"""How a coder's direction is steered along, and what it is held against. Light: a study is read at each parse."""

from dataclasses import field
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from sparring.errors import SparringError


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SteeringPlan:
    """Text is steered towards one class of a task by a coder's latent, the difference of means, a random direction."""

    task: str
    label: str
    arm: str
    """The coder whose decoder row is steered along, at its write site."""
    prompts: Annotated[list[str], Field(min_length=1)] = field(
        default_factory=lambda: ["This person", "My favorite", "I", "The report says", "Today", "It is known that"]
    )
    """The one whose unsteered success is nearest to 0.5 is taken; one alone is taken as it is."""
    factors: Annotated[list[float], Field(min_length=1)] = field(default_factory=lambda: [0.5, 1.0, 2.0, 3.0, 4.0])
    """In units of the residual stream's RMS norm where the direction is added."""
    samples: Annotated[int, Field(ge=2)] = 16
    """Generations of each prompt and factor; one half chooses the factor, the other half is reported."""
    tokens: Annotated[int, Field(ge=1)] = 24
    """Of a generation."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    ppl_cap: Annotated[float, Field(gt=1)] = 1.5
    """Perplexity, in units of the unsteered text's, beyond which a text does not count as fluent."""
    resamples: Annotated[int, Field(ge=1)] = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        if any(factor <= 0 for factor in self.factors) or len(set(self.factors)) < len(self.factors):
            raise SparringError(f"steering.factors is {self.factors}: give positive numbers, each once")
        if self.samples % 2:
            raise SparringError(f"steering.samples is {self.samples}: it must be even, as halves are made of it")
