"""Which card a job gets: the one that is asked for, or the first bigger one it may have that has room for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sparring.cards.cards import card
from sparring.lineage import Lineage
from sparring.memory.jobs import ASKING, job_demand
from sparring.memory.preflight import check


@dataclass(frozen=True)
class Choice:
    """A card's name, or None for no card; `reason`, in words, where that is not what was asked for."""

    card: str | None
    reason: str | None = None


def choose(lineage: Lineage, wanted: str, bigger: Sequence[str] = ()) -> Choice:
    """The card of a job for which `wanted` is asked, and of which those of `bigger`, in this order, may take the place.

    Where none has room it is `wanted`: the job is refused in a line that says what would fit. SparringError for a card
    that is not known.
    """
    first, *others = (card(name) for name in (wanted, *bigger))
    if lineage.rule in ASKING and lineage.spec["model"]["engine"] != "vllm":
        return Choice(None, f"{lineage.spec['model']['engine']} does not run on this job's card")
    demand = job_demand(lineage)
    if demand is None:
        return Choice(first.name)
    for one in (first, *others):
        found = check(demand, card=one.name, card_gib=one.gib)
        if found.fits:
            more = f"{demand.name} needs {found.needed_gib:.1f} GiB, {first.name} has {first.gib:g}"
            return Choice(one.name, None if one is first else more)
    return Choice(first.name)
