"""What a second costs: of a card, of a core, of a GiB of memory, by the table that comes with the package."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sparring.cards.cards import card, card_of
from sparring.errors import SparringError


@dataclass(frozen=True)
class Rented:
    """What a job has for itself while it runs: a card or none, cores, GiB of memory."""

    card: str | None
    cores: float
    gib: float

    @property
    def second(self) -> float:
        """Dollars a second. SparringError where the card has no price."""
        prices = price_table()
        per_card = 0.0
        if self.card is not None:
            name = card(self.card).name
            if name not in prices["card_second"]:
                known = ", ".join(prices["card_second"])
                raise SparringError(f"card {name} has no price; {known} have one (sparring/cards/prices.json)")
            per_card = prices["card_second"][name]
        return float(per_card + self.cores * prices["core_second"] + self.gib * prices["gib_second"])


def price_of(machine: str) -> tuple[float | None, str]:
    """(dollars a second, why) for a machine as a job's record names it (sparring.machine).

    Only a machine of the table's provider has a price, that of its card: a record has neither the cores nor the memory
    that were asked for. Any other costs nothing, unless it has a card: whose that is, nobody tells.
    """
    prices = price_table()
    driver = card_of(machine)
    if not machine.endswith(prices["provider"]):
        if driver is not None:
            return None, f"no price is known for a {driver.name} elsewhere than on {prices['provider']}"
        return 0.0, "a machine without a card, not rented by the second"
    if driver is None:
        return None, "its cores and memory are not in the record"
    said = f"{prices['provider']}'s price of the card ({prices['date']}), without cores and memory"
    return float(prices["card_second"][driver.name]), said


@cache
def price_table() -> dict[str, Any]:
    """The table: provider, date, source, dollars a second."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("prices.json").read_bytes())
    return found


def price_source() -> dict[str, str]:
    """What the prices rest on: {"provider", "date", "source"}."""
    return {key: str(price_table()[key]) for key in ("provider", "date", "source")}
