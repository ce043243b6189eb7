"""`python -m sparring.memory.here`: whether this machine's card has room for a job, given as JSON on standard input.

{"rule", "spec", "inputs": {name: content digest}, "store"}. Exit status 3 and one line where it has not; 0 where it
has, where there is no card that torch would use, or where nothing is known of what the job would hold.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sparring.card_check import REFUSED
from sparring.cards.cards import card_of
from sparring.lineage import Memory
from sparring.memory.jobs import job_demand
from sparring.memory.preflight import check, line
from sparring.store import Store

_QUERY = ("nvidia-smi", "--query-gpu=name,memory.free", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class CardHere:
    """The first card that this process may use: the driver's name of it, and the GiB that are free there now."""

    name: str
    free_gib: float


def card_here() -> CardHere | None:
    """The card that torch would use; None where there is none, or torch was built without CUDA."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible == "" or importlib.metadata.version("torch").endswith("+cpu"):
        return None
    which = ("-i", visible.split(",")[0]) if visible else ()
    try:
        done = subprocess.run([*_QUERY, *which], capture_output=True, text=True, check=True)
        name, free = done.stdout.splitlines()[0].rsplit(",", 1)
        return CardHere(name.strip(), float(free) / 1024)
    except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
        return None


def refusal(asked: dict[str, object], here: CardHere) -> str | None:
    """Why the card has no room for the job, in one line with what would fit; None where it has, or nothing is known."""
    memory = Memory(Store(Path(str(asked["store"]))))
    demand = job_demand(memory.lineage(str(asked["rule"]), asked["spec"], asked["inputs"]))  # type: ignore[arg-type]
    if demand is None:
        return None
    known = card_of(here.name)
    whole = known.gib if known is not None else here.free_gib
    found = check(demand, card=here.name, card_gib=whole, resident_gib=max(0.0, whole - here.free_gib))
    return None if found.fits else line(demand, found, here.name)


def main() -> int:
    """Entry point; returns the exit status."""
    here = card_here()
    said = None if here is None else refusal(json.loads(sys.stdin.read()), here)
    if said is None:
        return 0
    print(said)
    return REFUSED


if __name__ == "__main__":
    raise SystemExit(main())
