"""What each planned job has for itself: by its rule's resources, a profile's, or one card for all that can use it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sparring.cards.cards import card
from sparring.cards.prices import Rented, price_table
from sparring.errors import SparringError
from sparring.lineage import Lineage
from sparring.memory.choice import choose
from sparring.memory.jobs import CARD_RULES
from sparring.planned import PlannedJob


@dataclass(frozen=True)
class Place:
    """Where the jobs of a plan run. here: on this machine, which costs nothing; else rented by the second.

    default, of_rule: resources of all rules and of some, as a profile sets them; threads: likewise.
    """

    here: bool = True
    default: Mapping[str, Any] = field(default_factory=dict)
    of_rule: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    threads: Mapping[str, int] = field(default_factory=dict)

    def rented(self, job: PlannedJob, lineage: Lineage) -> Rented:
        """The card, cores and memory of a job. SparringError for a card that is not known."""
        # In Snakemake's own order: what the rule says, unless the profile sets it.
        values = {**self.default, **job.resources, **self.of_rule.get(job.rule, {})}
        usual = price_table()["rented"]
        wants = int(values.get("gpu") or 0) > 0
        bigger = str(values.get("bigger_gpus") or "").split()
        name = choose(lineage, str(values.get("gpu_model") or "L4"), bigger).card if wants else None
        cores = float(values.get("cpu") or self.threads.get(job.rule) or usual["cores"])
        said = values.get("mem_mb")
        gib = float(said) / 1024 if isinstance(said, int | float) else usual["gib"]
        return Rented(name, cores, gib)


def on_card(name: str) -> Place:
    """Every job that can use a card has one of this name. SparringError where it is not known."""
    chosen = card(name).name
    return Place(here=False, of_rule={rule: {"gpu": 1, "gpu_model": chosen} for rule in CARD_RULES})


def by_profile(folder: Path) -> Place:
    """As the profile in `folder` (or its one file) sets resources and threads. SparringError where there is none."""
    files = [folder] if folder.is_file() else sorted(folder.glob("config*.yaml"))
    if not files:
        raise SparringError(f"no profile at {folder}: it needs a config.yaml; or name a card with --card")
    try:
        said = yaml.safe_load(files[-1].read_bytes()) or {}
        default = _values(said.get("default-resources") or {})
        threads = {rule: int(value) for rule, value in _values(said.get("set-threads") or {}).items()}
        of_rule = {rule: _values(values) for rule, values in _by_rule(said.get("set-resources") or {}).items()}
    except (yaml.YAMLError, ValueError, AttributeError, TypeError) as error:
        raise SparringError(f"profile {files[-1]}: {' '.join(str(error).split())}") from None
    return Place(here=False, default=default, of_rule=of_rule, threads=threads)


def _values(said: Any) -> dict[str, Any]:
    """{name: value} of a mapping, or of a list of NAME=VALUE."""
    if isinstance(said, Mapping):
        return {name: _plain(value) for name, value in said.items()}
    return {name: _plain(value) for name, value in (entry.split("=", 1) for entry in said)}


def _by_rule(said: Any) -> dict[str, Any]:
    """{rule: resources} of a mapping, or of a list of RULE:NAME=VALUE."""
    if isinstance(said, Mapping):
        return dict(said)
    found: dict[str, list[str]] = {}
    for rule, entry in (entry.split(":", 1) for entry in said):
        found.setdefault(rule, []).append(entry)
    return dict(found)


def _plain(value: Any) -> Any:
    return yaml.safe_load(value) if isinstance(value, str) else value
