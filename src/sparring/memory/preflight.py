"""Whether something fits on a card, before anything is loaded; and if not, what would."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

from sparring.cards.cards import cards
from sparring.memory.plan import MemoryPlan

GIB = 2.0**30
RESERVE_GIB = 1.0  # of a process: its CUDA context (about 0.5), the libraries' work space, captured graphs


@runtime_checkable
class Demand(Protocol):
    """What a job would hold at its peak: bytes by what they are for, without the process's reserve."""

    @property
    def name(self) -> str:
        """As people call it."""

    def parts(self) -> dict[str, float]:
        """Bytes, by what they are for."""

    def smaller(self, room: float) -> Iterator[tuple[str, "Demand"]]:
        """Changes after which it takes at most `room` bytes: each in words, and the changed demand."""


@dataclass(frozen=True)
class Advice:
    """What would fit, in words; the demand, the card and what is resident there, in GiB, after that change."""

    said: str
    demand: Demand
    card_gib: float
    resident_gib: float


@dataclass(frozen=True)
class Check:
    """`needed_gib`, the reserve included, against `free_gib` of the card; `advice` where it does not fit."""

    parts: dict[str, float]
    needed_gib: float
    free_gib: float
    advice: tuple[Advice, ...]

    @property
    def fits(self) -> bool:
        """Whether the card has room for it."""
        return self.needed_gib <= self.free_gib


def check(
    demand: Demand, *, card: str, card_gib: float, resident_gib: float = 0.0, reserve_gib: float = RESERVE_GIB
) -> Check:
    """Holds `demand` and the reserve against what `resident_gib` leaves of a card of `card_gib`."""
    parts = demand.parts()
    needed, free = sum(parts.values()) / GIB + reserve_gib, card_gib - resident_gib
    advice: list[Advice] = []
    if needed > free:
        if resident_gib and needed <= card_gib:
            alone = f"{demand.name} alone on the {card}, in a process of its own"
            advice.append(Advice(alone, demand, card_gib, 0.0))
        for said, less in demand.smaller((free - reserve_gib) * GIB):
            taken = sum(less.parts().values()) / GIB + reserve_gib
            advice.append(Advice(f"{said} ({taken:.1f} GiB)", less, card_gib, resident_gib))
        whole = math.ceil(10 * (needed + resident_gib)) / 10
        bigger = next((one for one in cards().values() if one.gib >= whole), None)
        name = "none is known" if bigger is None else f"{bigger.name} has {bigger.gib:g}"
        advice.append(
            Advice(f"a card with {whole:.1f} GiB: {name}", demand, bigger.gib if bigger else whole, resident_gib)
        )
    return Check(parts, needed, free, tuple(advice))


def line(demand: Demand, found: Check, card: str) -> str:
    """A rejection in one line: what is needed and free, what it is for, what would fit."""
    parts = ", ".join(f"{name} {size / GIB:.1f}" for name, size in found.parts.items() if size / GIB >= 0.05)
    said = "; or ".join(one.said for one in found.advice)
    return (
        f"{demand.name} needs {found.needed_gib:.1f} GiB ({parts}, reserve) and {found.free_gib:.1f} GiB of the "
        f"{card} are free; what would fit: {said}"
    )


def preflight(plan: MemoryPlan) -> dict[str, Any]:
    """{"needed_gib", "free_gib", "headroom_gib", "fits", "would_fit", "plan"}: weights, key-value cache and the reserve
    of what is to be loaded, against what the resident models leave of the card."""
    resident = sum((sum(one.parts().values()) / GIB + plan.reserve_gib for one in plan.resident), 0.0)
    found = check(
        plan.load, card=plan.card, card_gib=plan.card_gib, resident_gib=resident, reserve_gib=plan.reserve_gib
    )
    return {
        "needed_gib": found.needed_gib,
        "free_gib": found.free_gib,
        "headroom_gib": found.free_gib - found.needed_gib,
        "fits": found.fits,
        "would_fit": [one.said for one in found.advice],
        "plan": asdict(plan),
    }
