"""The tables that come with the package: cards by the names that Modal has for them, and sizes of known models."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sparring.errors import SparringError


@dataclass(frozen=True)
class Card:
    """One kind of card: the GiB that torch is given of it, how its driver names it, peaks per second."""

    name: str
    gib: float
    driver: tuple[str, ...]
    capability: str
    flops: Mapping[str, float | None]
    bandwidth: float
    source: str


@dataclass(frozen=True)
class Model:
    """The sizes of a language model, as its config.json has them."""

    name: str
    parameters: int
    layers: int
    d: int
    mlp: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int

    @property
    def short(self) -> str:
        """The name without where it comes from: gemma-2-2b."""
        return self.name.split(":")[-1].split("/")[-1]

    @property
    def inside(self) -> int:
        """Parameters of all blocks: all but one table of embeddings, which is looked up and not multiplied by."""
        return self.parameters - self.vocabulary * self.d


@cache
def cards() -> dict[str, Card]:
    """Every known card by name, the one with the least memory first."""
    found = [Card(name, **{**of, "driver": tuple(of["driver"])}) for name, of in _read("cards.json")["cards"].items()]
    return {card.name: card for card in sorted(found, key=lambda card: card.gib)}


def card(name: str) -> Card:
    """The card of this name, in whatever case. SparringError where there is none."""
    for known in cards().values():
        if known.name.lower() == name.lower() or (name.lower() == "a100" and known.name == "A100-40GB"):
            return known
    raise SparringError(f"card {name!r} is unknown; known are {', '.join(cards())} (sparring/memory/cards.json)")


def card_of(driver: str) -> Card | None:
    """The card that the driver calls `driver`, or None: the longest name that it holds counts."""
    named = [(len(part), one) for one in cards().values() for part in one.driver if part.lower() in driver.lower()]
    return max(named, key=lambda pair: pair[0])[1] if named else None


@cache
def models() -> dict[str, Model]:
    """Every known model by the start of its source's uri, or by an endpoint's name."""
    return {name: Model(name, **of) for name, of in _read("models.json")["models"].items()}


def model(name: str) -> Model | None:
    """The known model whose name `name` is, with or without a version, a revision or a GGUF's ending; else None."""
    known = models()
    return known.get(name) or known.get(name.split("==")[0])


def _read(file: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(__file__).with_name(file).read_bytes())
    return found
