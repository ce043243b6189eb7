"""Whether a model fits on a card, before anything is loaded; and if not, what would."""

from dataclasses import asdict, replace
from typing import Any

from sparring.memory.plan import Loaded, MemoryPlan

_GIB = 2.0**30


def preflight(plan: MemoryPlan) -> dict[str, Any]:
    """{"needed_gib", "free_gib", "headroom_gib", "fits", "would_fit", "plan"}: weights, key-value cache and the reserve
    of what is to be loaded, against what the resident models leave of the card."""
    needed, free = _needed(plan.load, plan), plan.card_gib - sum(_needed(one, plan) for one in plan.resident)
    return {
        "needed_gib": needed,
        "free_gib": free,
        "headroom_gib": free - needed,
        "fits": needed <= free,
        "would_fit": [] if needed <= free else _would_fit(plan, free),
        "plan": asdict(plan),
    }


def _needed(one: Loaded, plan: MemoryPlan) -> float:
    return (one.weights + one.cache) / _GIB + plan.reserve_gib


def _would_fit(plan: MemoryPlan, free: float) -> list[str]:
    load, said = plan.load, []
    if plan.resident and _needed(load, plan) <= plan.card_gib:
        said.append(f"{load.name} alone on the {plan.card}, in a process of its own")
    smaller = replace(load, precision="int4")
    if _needed(smaller, plan) <= free:
        said.append(f"{load.name} in 4 bits ({_needed(smaller, plan):.1f} GiB)")
    room = free - plan.reserve_gib - load.weights / _GIB
    if room > 0 and load.cache:
        said.append(f"at most {int(load.positions * room * _GIB / load.cache):,} positions at once")
    said.append(f"a card with {_needed(load, plan) + plan.card_gib - free:.1f} GiB")
    return said
