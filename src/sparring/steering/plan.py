"""What is steered, along which coders, and what it is held against. Light: a study is read at each parse."""

from dataclasses import field
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from sparring.errors import SparringError


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SteeringPlan:
    """Text is steered towards classes of a task by coders' latents, differences of means, random directions, prompts.

    A class together with a coder is a concept.
    """

    task: str
    arms: Annotated[list[str], Field(min_length=1)]
    """The coders whose decoder rows are steered along, each at its write site: of several layers, or several seeds."""
    labels: list[str] = field(default_factory=list)
    """The classes; none: all the task has."""
    prompts: Annotated[list[str], Field(min_length=1)] = field(
        default_factory=lambda: [
            *("The match", "The company", "The film", "People say that"),
            *("It was announced that", "Last week", "The report says", "Today"),
        ]
    )
    """For each class the one whose unsteered success is nearest to 0.5 is taken; one alone is taken as it is."""
    instruction: str = "A text about {label}. "
    """What is put before the prompt when a prompt is the way of steering."""
    factors: Annotated[list[float], Field(min_length=1)] = field(default_factory=lambda: [0.1, 0.15, 0.2, 0.3])
    """In units of the residual stream's RMS norm where the direction is added."""
    samples: Annotated[int, Field(ge=4)] = 16
    """Generations of each prompt, direction and factor; one half chooses the factor, the other half is reported."""
    tokens: Annotated[int, Field(ge=1)] = 24
    """Of a generation."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    ppl_cap: Annotated[float, Field(gt=1)] = 1.5
    """Perplexity, in units of the unsteered text's, beyond which a text does not count as fluent."""
    resamples: Annotated[int, Field(ge=1)] = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        for key in ("arms", "labels", "prompts"):
            if len(set(getattr(self, key))) < len(getattr(self, key)):
                raise SparringError(f"steering.{key} is {getattr(self, key)}: name each once")
        if any(factor <= 0 for factor in self.factors) or len(set(self.factors)) < len(self.factors):
            raise SparringError(f"steering.factors is {self.factors}: give positive numbers, each once")
        if self.samples % 2:
            raise SparringError(f"steering.samples is {self.samples}: it must be even, as halves are made of it")
        if "{label}" not in self.instruction:
            raise SparringError(f"steering.instruction is {self.instruction!r}: it must hold {{label}}, the class")
