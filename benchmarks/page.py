"""A page of what each stage costs, from the records that Snakemake's `benchmark:` writes.

    python benchmarks/page.py results/benchmarks docs/benchmarks/headtohead.md

A stage that the action memo answered costs under a second there: run from an empty store to measure.
"""

import csv
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# The order of the graph; what is not named here comes after, by name.
_ORDER = ("subject", "corpus", "scorer", "tokens", "activations", "coder", "latents", "recon", "draw")
_ORDER += ("explain", "score", "headtohead")


@dataclass(frozen=True)
class Cost:
    """One stage: wall seconds, processor seconds and peak resident memory in MB; None where Snakemake saw nothing."""

    stage: str
    seconds: float
    processor: float | None
    memory: float | None


def read_costs(folder: Path) -> list[Cost]:
    """The costs recorded in `folder`, in the order of the graph; a record with repeats counts with its mean."""
    return sorted((_cost(folder, path) for path in folder.rglob("*.tsv")), key=lambda cost: _place(cost.stage))


def render(costs: Iterable[Cost], *, cores: int) -> str:
    """The page, as Markdown."""
    costs = list(costs)
    processor, memory = [c.processor for c in costs if c.processor], [c.memory for c in costs if c.memory]
    rows = [_row(cost.stage, cost.seconds, cost.processor, cost.memory) for cost in costs]
    total = _row("**all**", sum(cost.seconds for cost in costs), sum(processor), max(memory, default=None))
    lines = [
        "# What the jobs cost",
        "",
        f"Measured by Snakemake on a machine with {cores} cores; written by `benchmarks/page.py`.",
        "The seconds add up over jobs, of which several may run at a time; memory is the largest job's.",
        "",
        "| stage | seconds | processor seconds | peak memory, MB |",
        "| --- | ---: | ---: | ---: |",
        *rows,
        total,
    ]
    return "\n".join(lines) + "\n"


def _cost(folder: Path, path: Path) -> Cost:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    seconds = _mean(rows, "s")
    if seconds is None:
        raise SystemExit(f"{path}: no seconds in it; it is not a record of Snakemake's benchmark directive")
    stage = path.relative_to(folder).with_suffix("").as_posix()
    return Cost(stage, seconds, _mean(rows, "cpu_time"), _mean(rows, "max_rss"))


def _mean(rows: list[dict[str, str]], column: str) -> float | None:
    # Snakemake writes "-" or "NA" where a job ended before it could look.
    seen = [float(row[column]) for row in rows if row.get(column, "-") not in ("-", "NA", "")]
    return sum(seen) / len(seen) if seen else None


def _place(stage: str) -> tuple[int, str]:
    known = [place for place, name in enumerate(_ORDER) if stage == name or stage.startswith((f"{name}-", f"{name}/"))]
    return (known[0] if known else len(_ORDER), stage)


def _row(stage: str, seconds: float, processor: float | None, memory: float | None) -> str:
    figures = [f"{seconds:,.1f}", *("" if value is None else f"{value:,.0f}" for value in (processor, memory))]
    return f"| {stage} | {' | '.join(figures)} |"


def main() -> None:
    """Read the folder named first on the command line and write the page named second."""
    folder, page = Path(sys.argv[1]), Path(sys.argv[2])
    costs = read_costs(folder)
    if not costs:
        raise SystemExit(
            f"{folder}: no benchmark records there; run `snakemake results/headtohead_autointerp.json` first"
        )
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render(costs, cores=len(os.sched_getaffinity(0))))


if __name__ == "__main__":
    main()
