"""`sparring diff A B`: what tells two runs apart, job by job, then their figures side by side."""

from pathlib import Path

from sparring.differences import differences
from sparring.history import History, figures
from sparring.store import Store


def diff(store: Store, first: str, second: str, *, repository: Path) -> str:
    """The text of the comparison; `first` and `second` are digests or git revisions (see sparring.history)."""
    history = History(store)
    keys = history.pair(first, second, repository)
    old, new = (history.lineage(key) for key in keys)
    lines = [f"A  {first}: action {keys[0]}", f"B  {second}: action {keys[1]}", ""]
    for job in sorted(old.keys() | new.keys()):
        if job not in old or job not in new:
            lines.append(f"{job}: only in {'A' if job in old else 'B'}")
        elif found := differences(old[job], new[job]):
            lines += [f"{job}:", *(f"    {text}" for text in found)]
    if len(lines) == 3:
        lines.append("the same jobs, code, study and inputs")
    return "\n".join([*lines, "", *_side_by_side(*(figures(store, history.actions[key]) for key in keys))])


def _side_by_side(first: dict[str, float], second: dict[str, float]) -> list[str]:
    names = [name for name in first if name in second and first[name] != second[name]]
    if not names:
        return ["every figure is the same"]
    width = max(map(len, names))
    head = f"{'figure':{width}}  {'A':>12}  {'B':>12}  {'B - A':>12}"
    return [
        head,
        *(f"{n:{width}}  {first[n]:>12.6g}  {second[n]:>12.6g}  {second[n] - first[n]:>+12.6g}" for n in names),
        f"{len(first.keys() & second.keys()) - len(names)} other figures are the same",
    ]
