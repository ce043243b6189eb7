"""After an edit, what is launched and what is computed: the real graph on the miniature study, one edit at a time.

    python benchmarks/partial_rerun.py docs/benchmarks/partial_rerun.md

Every edit starts from the same complete run, in a checkout and a store of its own. The script fails where an edit
launches or computes other jobs than it has to (benchmarks/edits.py says which).
"""

import sys
import tempfile
from pathlib import Path

from checkout import Checkout, Ran
from edits import ALL, EDITS, HEADLINE, MINI, Edit

_HEAD = f"""# What is computed again after an edit

The head-to-head of the miniature study ({len(ALL)} jobs) is complete; then comes the edit; then the same command.
*launched*: jobs that Snakemake starts. *from the memo*: those of them that the action memo answers, in under a
second. *computed*: the rest. Written by `benchmarks/partial_rerun.py`; `tests/test_partial_rerun.py` asserts each row.

| after | launched | from the memo | computed | which |
| --- | ---: | ---: | ---: | --- |
"""


def try_edit(edit: Edit, base: Checkout, folder: Path) -> Ran:
    """Applies `edit` to a copy of the complete run `base` and runs the same command once more."""
    folder.mkdir(parents=True, exist_ok=True)
    checkout = base.copy(folder, folder / "store")
    extra = edit.apply(checkout) or ()
    return checkout.run(edit.target, *MINI, *extra)


def row(edit: Edit, ran: Ran) -> str:
    """The edit's line of the table."""
    which = ", ".join(sorted(ran.computed)) if len(ran.computed) < len(ALL) / 2 else "all downstream of it"
    which = "all" if ran.computed == ALL else which if not ran.status else "none: refused, with the hash that was found"
    return f"| {edit.name} | {len(ran.launched)} | {len(ran.recalled)} | {len(ran.computed)} | {which} |"


def main(page: Path) -> int:
    """Tries every edit and writes the page; the number of rows that are not as they have to be."""
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="partial-rerun-") as name:
        folder = Path(name)
        base = Checkout.make(folder / "base", folder / "store")
        done = base.run(HEADLINE, *MINI)
        assert done.status == 0, done.output
        rows = []
        for index, edit in enumerate(EDITS):
            ran = try_edit(edit, base, folder / str(index))
            rows.append(row(edit, ran))
            good = (ran.computed, ran.recalled, bool(ran.status)) == (edit.computed, edit.recalled, bool(edit.status))
            wrong += not good
            print(rows[-1], "" if good else f"  <- wanted {sorted(edit.computed)}, {sorted(edit.recalled)}", flush=True)
    page.write_text(_HEAD + "\n".join(rows) + "\n")
    return wrong


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
