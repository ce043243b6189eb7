"""Which latents are ablated to make the model forget a class. Light: a study is read at each parse."""

from dataclasses import field
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from sparring.feature_sets.plan import SetsPlan


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class UnlearningPlan(SetsPlan):
    """The latents that are strongest above for one class, ablated, against random sets ablated.

    label: the class that is to be forgotten.
    """

    key: ClassVar[str] = "unlearning"
    sizes: list[Annotated[int, Field(ge=1)]] = field(default_factory=lambda: [5, 20, 50])
    to: Literal["mean", "zero", "negative"] = "mean"
    """What an ablated latent is put to: its mean over training tokens, 0, or -scale times what it is."""
    scale: Annotated[float, Field(gt=0)] = 1.0
    """Of `to: negative`."""
    texts: Annotated[int, Field(ge=4)] = 48
    """At most so many test texts, half of them of the class."""
