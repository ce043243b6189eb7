"""What the memos of some stores measured, as the table that predictions fall back on.

python benchmarks/measured.py DATE STUDIES STORE... > src/sparring/cost/measured.json
"""

import statistics
import sys
from collections import defaultdict
from pathlib import Path

from sparring.canonical import pretty_json
from sparring.cost.predict import CPU, Known, known_from
from sparring.lineage import Memory, Remembered
from sparring.store import Store


def main() -> None:
    """Entry point."""
    date, studies, *stores = sys.argv[1:]
    remembered: list[Remembered] = []
    for where in stores:
        rules = {one.lineage.rule for one in remembered}
        found = Memory(Store(Path(where))).measured()
        remembered += [one for one in found if one.lineage.rule not in rules]
    alike: dict[tuple[str, str | None, float | None], list[Known]] = defaultdict(list)
    for one in known_from(remembered):
        if one.kind == CPU:
            alike[one.rule, one.subject, one.size].append(one)
    jobs = [
        {"rule": rule, "subject": subject, "size": size, "seconds": statistics.median(one.seconds for one in same)}
        for (rule, subject, size), same in sorted(alike.items(), key=lambda item: (item[0][0], item[0][2] or 0.0))
    ]
    said = {"machine": remembered[0].machine, "study": studies, "date": date, "jobs": jobs}
    sys.stdout.buffer.write(pretty_json(said))


if __name__ == "__main__":
    main()
