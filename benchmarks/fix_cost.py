"""What the b_dec fix costs on the default study, as a share of the full run; and a no-op beside a dry run.

    python benchmarks/fix_cost.py docs/benchmarks/after_a_fix.md docs/figures/after_a_fix.svg

The full run is that of the faulty adapter from nothing; then the fix; all in one checkout, one after the other. The
picture is what `sparring why --dot` draws between the two.
"""

import csv
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from checkout import Checkout, Ran
from edits import ADAPTER, AFTER_ADAPTER, ALL, CUT_OFF, HEADLINE, RIGHT, WRONG

DEFAULT = ("--configfile", "config/config.yaml")


def job_seconds(checkout: Checkout) -> dict[str, float]:
    """Wall seconds of every job of the last run, by Snakemake's benchmark records."""
    found = {}
    for path in sorted((checkout.work / "results" / "benchmarks").glob("*.tsv")):
        with path.open() as file:
            found[path.stem] = sum(float(record["s"]) for record in csv.DictReader(file, delimiter="\t"))
    return found


def timed(checkout: Checkout, *arguments: str) -> tuple[Ran, float]:
    """One run and its wall seconds; the benchmark records of runs before are dropped."""
    shutil.rmtree(checkout.work / "results" / "benchmarks", ignore_errors=True)
    start = time.monotonic()
    ran = checkout.run(HEADLINE, *DEFAULT, *arguments, timeout=3600)
    assert ran.status == 0, ran.output
    return ran, time.monotonic() - start


def draw_plan(checkout: Checkout, svg: Path) -> None:
    """What is going to compute, as a picture."""
    snakefile, study = (str(checkout.code / name) for name in ("Snakefile", "config/config.yaml"))
    asked = checkout.sparring("why", "--dot", HEADLINE, "--snakefile", snakefile, "--configfile", study)
    assert asked.returncode == 0, asked.stderr
    subprocess.run(["dot", "-Tsvg", "-o", svg], input=asked.stdout, text=True, check=True)


def main(page: Path, svg: Path) -> int:
    """Measures, writes the page and draws the picture; 1 where the fix computed other jobs than it has to."""
    with tempfile.TemporaryDirectory(prefix="fix-cost-") as name:
        checkout = Checkout.make(Path(name), Path(name) / "store")
        checkout.edit(ADAPTER, RIGHT, WRONG)
        _, full_wall = timed(checkout)
        full = job_seconds(checkout)
        checkout.edit(ADAPTER, WRONG, RIGHT)
        draw_plan(checkout, svg)
        ran, fix_wall = timed(checkout)
        fix = job_seconds(checkout)
        pairs = [(timed(checkout)[1], timed(checkout, "-n")[1]) for _ in range(3)]
    lines = [
        "# After the b_dec fix, on the default study",
        "",
        "The full run with the faulty adapter from nothing; then the fix, one line of `coders/encoding.py`.",
        "Job seconds are those of Snakemake's benchmark records. Written by `benchmarks/fix_cost.py`, in one go.",
        "",
        "| | full run | after the fix | share |",
        "| --- | ---: | ---: | ---: |",
        f"| jobs computed | {len(ALL)} | {len(ran.computed)} | |",
        f"| jobs from the memo | 0 | {len(ran.recalled)} | |",
        f"| job seconds | {sum(full.values()):.0f} | {sum(fix.values()):.0f} | "
        f"{sum(fix.values()) / sum(full.values()):.1%} |",
        f"| seconds waited | {full_wall:.0f} | {fix_wall:.0f} | {fix_wall / full_wall:.1%} |",
        "",
        "A no-op beside `snakemake -n` of the same graph, three pairs, seconds: "
        + "; ".join(f"{noop:.2f} against {dry:.2f} ({noop / dry:.2f} times)" for noop, dry in pairs)
        + ".",
        "",
        "| job | full run, s | after the fix, s |",
        "| --- | ---: | ---: |",
        *(f"| {job} | {full[job]:.1f} | {f'{fix[job]:.1f}' if job in fix else ''} |" for job in full),
    ]
    page.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return int((ran.computed, ran.recalled) != (AFTER_ADAPTER, CUT_OFF))


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2])))
