"""docs/benchmarks/plan_gemma.md: the plan of the published study on L4s beside what its rows say that they took.

    python benchmarks/plan_gemma.py PUBLISHED.yaml > docs/benchmarks/plan_gemma.md

PUBLISHED.yaml: the published rows, each with `hardware: CARD, ~N min, ~$N` where that was said. Nothing is fetched and
nothing runs: the plan is of the study file, in an empty folder with an empty store.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from sparring.cards.prices import price_table
from sparring.cost.plan import Row, plan_rows, stages
from sparring.cost.plan_text import as_markdown, dollars, prices_line, took
from sparring.cost.predict import CPU, legend
from sparring.cost.rented import on_card
from sparring.planned import PlannedJob, planned_jobs
from sparring.store import Store
from sparring.why import why
from sparring.words import table

ROOT = Path(__file__).parents[1]
CARD = "L4"
STUDIES = {
    "gemma-2-2b.yaml": [ROOT / "config/studies/gemma-2-2b.yaml"],
    "gemma-2-2b.yaml with the 7B scorer": [
        ROOT / "config/studies/gemma-2-2b.yaml",
        ROOT / "config/scorers/qwen2.5-7b.yaml",
    ],
}


def above(jobs: Sequence[PlannedJob], run: str) -> set[str]:
    """The names of the jobs that a run needs, its own included."""
    makers = {path: job for job in jobs for path in job.outputs.values()}
    wanted, found = [makers[Path(f"results/runs/{run}.json")]], set()
    while wanted:
        job = wanted.pop()
        if job.name not in found:
            found.add(job.name)
            wanted += [makers[path] for path in job.inputs.values() if path in makers]
    return found


def said(hardware: str) -> tuple[str, str, str]:
    """(card, minutes, dollars) as a published row has them; empty where it has not."""
    minutes, cost = re.search(r"~(\d+) min", hardware), re.search(r"~\$([\d.]+)", hardware)
    return hardware.split(",")[0], minutes[1] if minutes else "", cost[1] if cost else ""


def compared(
    jobs: Sequence[PlannedJob], rows: Sequence[Row], published: dict[str, Any], runs: Sequence[str]
) -> Iterator[list[str]]:
    """The cells of each run: published card, minutes, dollars; ours alone, and what only it needs."""
    of = {run: above(jobs, run) for run in runs}
    for run in runs:
        entry = published.get(run, {})
        card, minutes, cost = said(entry.get("hardware", ""))
        own = of[run].difference(*(of[other] for other in runs if other != run))
        yield [
            run,
            card,
            minutes,
            cost or entry.get("cost", "").split(" ")[0],
            *_cells(rows, of[run]),
            *_cells(rows, own),
        ]


def _cells(rows: Sequence[Row], names: set[str]) -> list[str]:
    some = [row for row in rows if row.job in names]
    card = sum(((row.seconds or 0.0) for row in some if row.machine != CPU), 0.0) / 60
    whole = sum(((row.seconds or 0.0) for row in some), 0.0) / 60
    on_cards = sum(
        ((row.seconds or 0.0) * price_table()["card_second"][row.machine] for row in some if row.machine != CPU), 0.0
    )
    unknown = [row.job for row in some if row.seconds is None]
    more = f" + {len(unknown)} unknown" if unknown else ""
    paid = sum(((row.dollars or 0.0) for row in some), 0.0)
    return [f"{whole:.0f}{more}", f"{card:.0f}", f"{on_cards:.2f}", f"{paid:.2f}"]


def main() -> None:
    """Entry point."""
    published = yaml.safe_load(Path(sys.argv[1]).read_bytes())
    lines = [
        "# The published study on L4s: the plan beside what was published",
        "",
        "Made by `python benchmarks/plan_gemma.py PUBLISHED.yaml`; the same for one target:",
        f"`sparring plan results/runs/RUN.json --configfile config/studies/gemma-2-2b.yaml --card {CARD}`. Nothing was",
        "run or fetched. `+ n unknown`: jobs of which no time is foreseen; they are not in the sums.",
        "",
        "Published dollars are the card's seconds alone (25 min of an L4 at $0.000222: $0.33): compare `$ cards`.",
        "*Alone* is a run made from nothing, with all jobs above it. Here one forward pass over 10 million tokens",
        "serves all coders, and a pretrained SAE's run needs it too, so that short published rows look dear alone;",
        "*only its own* is what a run adds to the others. Our auto-interp judges four explanations of each latent",
        "where the published rows judged one, and runs the subject in float32 where they ran it in bfloat16.",
        "",
        prices_line(here=False),
        "",
        legend(),
    ]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        store = Store(Path(folder) / "store")
        for title, files in STUDIES.items():
            runs = list(yaml.safe_load(files[-1].read_bytes())["runs"])
            targets = [f"results/runs/{run}.json" for run in runs]
            jobs = planned_jobs(targets, snakefile=ROOT / "Snakefile", configfiles=files)
            rows = plan_rows(why(jobs, store, root=ROOT), on_card(CARD), [])
            header = ("run", "published on", "min", "$", "alone: min", "of it on cards", "$ cards", "$ all")
            only = ("only its own: min", "on cards", "$ cards", "$ all")
            total = stages(rows)[-1]
            lines += [
                "",
                f"## {title}",
                "",
                f"{total['jobs']} jobs, {took(total['seconds'])}, of it {took(total['card_seconds'])} on cards, "
                f"${dollars(total['dollars'])}; {total['unknown']} jobs of unknown time.",
                "",
                table((*header, *only), compared(jobs, rows, published, runs), words=2),
                "",
                as_markdown(rows),
            ]
    print("\n".join(lines).rstrip())


if __name__ == "__main__":
    main()
