"""The commands `sparring plan` and `sparring cost`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparring.canonical import pretty_json, rounded
from sparring.errors import SparringError
from sparring.store import open_store

if TYPE_CHECKING:  # `sparring` reads this module whatever its command: half a second of imports waits until it is asked
    from sparring.cost.rented import Place
    from sparring.planned import PlannedJob


def add_options(parser: argparse.ArgumentParser) -> None:
    """What both commands ask."""
    parser.add_argument("--card", metavar="NAME", help="plan every job that can use a card on a rented one, as L4")
    parser.add_argument(
        "--profile", type=Path, metavar="FOLDER", help="resources and threads as this profile sets them"
    )
    parser.add_argument("--json", action="store_true", help="as data")


def place_of(options: argparse.Namespace) -> "Place":
    """Where the jobs are to run. SparringError for both a card and a profile, or one that there is not."""
    from sparring.cost.rented import Place, by_profile, on_card

    if options.card and options.profile:
        raise SparringError("--card and --profile: name one of them; a profile says itself which job has which card")
    if options.card:
        return on_card(options.card)
    return by_profile(options.profile) if options.profile else Place()


def run_plan(options: argparse.Namespace, place: "Place", jobs: "list[PlannedJob]") -> int:
    """Print the plan of `jobs`; 1 where a job does not fit on its card."""
    from sparring.cost import plan, plan_text
    from sparring.cost.predict import known_from
    from sparring.lineage import Memory
    from sparring.why import why

    store = open_store()
    answers = why(jobs, store, root=options.snakefile.resolve().parent)
    rows = plan.plan_rows(answers, place, known_from(Memory(store).measured()))
    _show(plan.as_json(rows, place) if options.json else plan_text.as_text(rows, here=place.here))
    return 1 if any(row.fits is False for row in rows) else 0


def run_cost(options: argparse.Namespace, place: "Place", jobs: "list[PlannedJob]") -> int:
    """Print the ledger of `jobs`, and write it to results/ledger.{json,md} where asked."""
    from sparring.cost import ledger as book
    from sparring.cost import ledger_text
    from sparring.cost.predict import known_from
    from sparring.lineage import Memory

    store = open_store()
    entries = book.ledger(jobs, store, place, known_from(Memory(store).measured()))
    if options.write:
        Path("results/ledger.json").write_bytes(pretty_json(rounded(book.as_json(entries))))
        Path("results/ledger.md").write_text(ledger_text.as_markdown(entries, here=place.here))
    _show(book.as_json(entries) if options.json else ledger_text.as_text(entries, here=place.here))
    return 0


def _show(said: dict[str, Any] | str) -> None:
    print(said if isinstance(said, str) else pretty_json(rounded(said)).decode().rstrip())
