"""Cards by the names that Modal has for them: the table that comes with the package."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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


@cache
def cards() -> dict[str, Card]:
    """Every known card by name, the one with the least memory first."""
    said = json.loads(Path(__file__).with_name("cards.json").read_bytes())
    found = [Card(name, **{**of, "driver": tuple(of["driver"])}) for name, of in said["cards"].items()]
    return {card.name: card for card in sorted(found, key=lambda card: card.gib)}


def card(name: str) -> Card:
    """The card of this name, in whatever case. SparringError where there is none."""
    for known in cards().values():
        if known.name.lower() == name.lower() or (name.lower() == "a100" and known.name == "A100-40GB"):
            return known
    raise SparringError(f"card {name!r} is unknown; known are {', '.join(cards())} (sparring/cards/cards.json)")


def card_of(driver: str) -> Card | None:
    """The card whose driver's name stands in `driver` as words of their own, or None."""
    for known in cards().values():
        if any(re.search(rf"(?<![0-9a-z]){part}(?![0-9a-z])", driver, re.IGNORECASE) for part in known.driver):
            return known
    return None
