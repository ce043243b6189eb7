"""Faults at random moments of a rerun after an edit; afterwards one `snakemake TARGET` has to end well and right.

    python benchmarks/faults.py --trials 60 --seed 0 --page docs/benchmarks/faults.md

Each trial starts from a complete run of the miniature study, edits the code and runs the same command, which a fault
hits. A trial is bad if the headline of the old code still stands although the run had launched jobs (stale), if
the one command afterwards fails (lost), or if its headline is not byte for byte that of a clean run (mixed).
`--without-retraction` is the control: the guard is taken out of the code under test, and trials have to be bad.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from checkout import Checkout
from edits import EDITS, HEADLINE, MINI, Edit
from fault_kinds import STRIKES, Run, can_mount, full_disk

ENDS = ("run failed", "good", "stale", "mixed", "lost")
_HEAD = """# Faults, and what one `snakemake TARGET` makes of them

Each trial: a complete run of the miniature study, an edit of its code, the same command, and a fault at a random moment
of it; then the command once more. *run failed*: the run that was hit did not end well by itself. *stale*: the old
headline stood although jobs had been launched. *lost*: the command afterwards failed. *mixed*: its headline was not
byte for byte that of a clean run. `{command}`:

| fault | run failed | good | stale | mixed | lost |
| --- | ---: | ---: | ---: | ---: | ---: |
"""
RAISES, FULL = "a job raises", "the disk is full"
_NAMES = ("the b_dec edit in the adapter", "a helper that only scoring imports", "a text that the page is made with")
CHANGES = {edit.name: edit for edit in EDITS if edit.name in _NAMES}
_COMPUTE = "def compute(job: Job) -> Mapping[str, Any]:\n"
_RETRACTION = "        retract(str(path) for job in jobs for path in job.output)\n"


@dataclass(frozen=True)
class Reference:
    """A clean run after an edit: its headline, and the seconds it took."""

    headline: bytes
    seconds: float


def all_kinds() -> list[str]:
    """The faults that can be had on this machine."""
    return [RAISES, *STRIKES, *([FULL] if can_mount() else [])]


def reference(edit: Edit, base: Checkout, folder: Path) -> Reference:
    """The edit's clean run."""
    folder.mkdir()
    checkout = base.copy(folder, folder / "store")
    edit.apply(checkout)
    start = time.monotonic()
    ran = checkout.run(HEADLINE, *MINI)
    assert ran.status == 0, ran.output
    return Reference(checkout.result("headtohead_autointerp.json"), time.monotonic() - start)


def trial(
    kind: str, edit: Edit, wanted: Reference, base: Checkout, folder: Path, rng: random.Random, *, retraction: bool
) -> tuple[str, bool]:
    """One trial; "good", "stale", "lost" or "mixed", with what was seen, and whether the run that was hit failed."""
    folder.mkdir()
    checkout = base.copy(folder, folder / "store")
    edit.apply(checkout)
    if not retraction:
        checkout.edit("src/sparring/workflow.py", _RETRACTION, "")
    before = checkout.result("headtohead_autointerp.json")
    moment = rng.uniform(0.3, wanted.seconds)
    with full_disk(checkout, rng.randrange(1 << 20)) if kind == FULL else nullcontext():
        scripts = _plant(checkout, edit, rng) if kind == RAISES else {}
        launched, failed = _struck(Run(checkout, (HEADLINE, *MINI), rng), kind, moment)
        for path, text in scripts.items():
            path.write_text(text)
    headline = checkout.work / HEADLINE
    if launched and headline.exists() and headline.read_bytes() == before:
        return f"stale: the old headline stands after {kind} at {moment:.1f} s", failed
    ran = checkout.run(HEADLINE, *MINI)
    if ran.status:
        return f"lost: after {kind} at {moment:.1f} s the same command fails: {ran.output[-1500:]}", failed
    if headline.read_bytes() != wanted.headline:
        return f"mixed: after {kind} at {moment:.1f} s the headline is not that of a clean run", failed
    return "good", failed


def _struck(run: Run, kind: str, moment: float) -> tuple[bool, bool]:
    """Runs with the fault; whether the run had come so far as to launch a job, and whether it failed."""
    plan = run.checkout.work / "results" / ".sparring" / "plan.json"
    planned = plan.stat().st_mtime_ns
    run.start()
    try:
        end = time.monotonic() + moment
        while time.monotonic() < end and run.process.poll() is None:
            time.sleep(0.05)
        if run.process.poll() is None and kind in STRIKES:
            STRIKES[kind](run)
        failed = run.process.wait(timeout=300) != 0
        return plan.exists() and plan.stat().st_mtime_ns != planned, failed
    finally:
        if kind != "SIGKILL to Snakemake":  # there the jobs go on beside the next run, as they would
            run.stop()


def _plant(checkout: Checkout, edit: Edit, rng: random.Random) -> dict[Path, str]:
    """A raise in the script of one of the jobs that the edit leads to; the text of the file as it was."""
    rule = rng.choice(sorted(edit.computed)).split("-")[0]
    path = checkout.code / "workflow" / "scripts" / f"{rule}.py"
    text = path.read_text()
    path.write_text(text.replace(_COMPUTE, f"{_COMPUTE}    raise MemoryError('planted')\n"))
    return {path: text}


def run_trials(
    base: Checkout,
    folder: Path,
    *,
    trials: int,
    seed: int,
    weights: tuple[int, int, int] = (1, 3, 3),
    kinds: Sequence[str] = (),
    retraction: bool = True,
) -> Counter[tuple[str, str]]:
    """`trials` faults, each kind in turn, on edits and at moments drawn with `seed`; counts by (kind, how it ended).

    weights: how often each of CHANGES is drawn. kinds: all that can be had here, if empty.
    """
    rng = random.Random(seed)
    wanted = [name for name, weight in zip(CHANGES, weights, strict=True) if weight]
    references = {name: reference(CHANGES[name], base, folder / f"clean-{i}") for i, name in enumerate(wanted)}
    kinds = kinds or all_kinds()
    order = [kind for _ in range(trials) for kind in rng.sample(kinds, len(kinds))][:trials]
    ends: Counter[tuple[str, str]] = Counter()
    for index, kind in enumerate(order):
        name = rng.choices(list(CHANGES), weights=weights)[0]
        end, failed = trial(
            kind, CHANGES[name], references[name], base, folder / str(index), rng, retraction=retraction
        )
        ends[kind, end.split(":")[0]] += 1
        ends[kind, "run failed"] += failed
        print(f"{index + 1}/{trials}  {kind}, {name}: {end}", file=sys.stderr, flush=True)
    return ends


def counts(ends: Counter[tuple[str, str]], kind: str | None = None) -> dict[str, int]:
    """How trials ended, of one kind of fault or of all."""
    return {end: sum(n for (of, how), n in ends.items() if how == end and kind in (None, of)) for end in ENDS}


def write_page(ends: Counter[tuple[str, str]], command: str, page: Path) -> None:
    """The table of a run of trials, by kind of fault."""
    rows = [
        f"| {kind} | {' | '.join(map(str, counts(ends, kind).values()))} |" for kind in sorted({k for k, _ in ends})
    ]
    total = f"| **all** | {' | '.join(map(str, counts(ends).values()))} |"
    page.write_text(_HEAD.format(command=command) + "\n".join([*rows, total]) + "\n")


def main() -> int:
    """Command line; the number of bad trials, or for the control 1 where none was bad."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without-retraction", action="store_true")
    parser.add_argument("--page", type=Path, help="write the table there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        base = Checkout.make(folder / "base", folder / "store")
        done = base.run(HEADLINE, *MINI)
        assert done.status == 0, done.output
        retraction = not options.without_retraction
        ends = run_trials(base, folder, trials=options.trials, seed=options.seed, retraction=retraction)
    ended = counts(ends)
    bad = options.trials - ended["good"]
    print(f"{options.trials} trials: " + ", ".join(f"{n} {end}" for end, n in ended.items()))
    if options.page:
        write_page(ends, f"faults.py --trials {options.trials} --seed {options.seed}", options.page)
    return min(bad, 1) if retraction else int(bad == 0)


if __name__ == "__main__":
    raise SystemExit(main())
