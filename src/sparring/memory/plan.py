"""What is to stand in a card's memory together. Light: a study is read at each parse."""

from collections.abc import Iterator
from dataclasses import field, replace
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(extra="forbid")
_BYTES = {"float32": 4.0, "bfloat16": 2.0, "int8": 1.0, "int4": 0.5}

Precision = Literal["float32", "bfloat16", "int8", "int4"]


@dataclass(frozen=True, config=_STRICT)
class Loaded:
    """One model in memory: its weights, and the key-value cache of what it reads at once.

    parameters, layers, kv_heads, head_dim: from its config.json. positions: those of all sequences read at once, each
    at its greatest length.
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

    def parts(self) -> dict[str, float]:
        """Bytes, by what they are for."""
        return {"weights": self.weights, "key-value cache": self.cache}

    def smaller(self, room: float) -> Iterator[tuple[str, "Loaded"]]:
        """What would take at most `room` bytes, in words, and the changed model: quantised, or reading less at once."""
        if self.precision != "int4" and sum((less := replace(self, precision="int4")).parts().values()) <= room:
            yield f"{self.name} in 4 bits", less
        if self.cache and self.weights < room:
            positions = int(self.positions * (room - self.weights) / self.cache)
            if 0 < positions < self.positions:
                yield f"at most {positions:,} positions at once", replace(self, positions=positions)


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
