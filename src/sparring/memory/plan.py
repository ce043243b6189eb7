"""What is to stand in a card's memory together. Light: a study is read at each parse."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(extra="forbid")
_BYTES = {"float32": 4.0, "bfloat16": 2.0, "int8": 1.0, "int4": 0.5}

Precision = Literal["float32", "bfloat16", "int8", "int4"]


@dataclass(frozen=True, config=_STRICT)
class Loaded:
    """One model in memory: its weights, and the key-value cache of what it reads at once.

    parameters, layers, kv_heads, head_dim: from its config.json. positions: those of all sequences read at once.
    """

    name: str
    parameters: Annotated[int, Field(ge=1)]
    precision: Precision = "bfloat16"
    layers: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    positions: int = 0

    @property
    def weights(self) -> float:
        """Bytes."""
        return self.parameters * _BYTES[self.precision]

    @property
    def cache(self) -> float:
        """Bytes of keys and values, two bytes each: 2 x layers x kv_heads x head_dim x positions x 2."""
        return 2.0 * self.layers * self.kv_heads * self.head_dim * self.positions * 2.0


@dataclass(frozen=True, config=_STRICT)
class MemoryPlan:
    """A model to be loaded on a card, beside those that stay on it."""

    card: str
    card_gib: Annotated[float, Field(gt=0)]
    """What the card's driver gives to programs."""
    load: Loaded
    resident: list[Loaded] = field(default_factory=list)
    reserve_gib: Annotated[float, Field(ge=0)] = 1.0
    """Of each process: its CUDA context, work space and captured graphs."""
