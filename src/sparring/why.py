"""`sparring why TARGET`: before anything runs, what will be computed, what the memo answers, and the reason for each.

For every job the action is worked out from the contents of its inputs, which are known where the memo already has them.
Downstream of a job that will compute they are not; there the question is what happens if they come out as last time.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparring.differences import differences
from sparring.manifest import content_of
from sparring.memo import Action, read_action, recall
from sparring.planned import PlannedJob
from sparring.records import read_record
from sparring.specs_base import reached_by
from sparring.store import Blob, Store

COMPUTES, ANSWERED, MAYBE, FRESH = "computes", "memo", "memo if upstream stays equal", "up to date"
_COLOURS = {COMPUTES: "#d55e00", ANSWERED: "#009e73", MAYBE: "#f0e442", FRESH: "#ffffff"}


@dataclass(frozen=True)
class Answer:
    """One job: what will become of it, and the reasons, each down to the function, key or file."""

    job: PlannedJob
    fate: str
    reasons: tuple[str, ...]


def why(jobs: Sequence[PlannedJob], store: Store, *, root: Path) -> list[Answer]:
    """An answer for each of `jobs` (in an order in which each comes after what it needs)."""
    contents: dict[Path, str] = {}
    uncertain: set[Path] = set()
    answers = []
    for job in jobs:
        inputs = {name: contents[path] if path in contents else content_of(path) for name, path in job.inputs.items()}
        action = Action(job.rule, job.spec, job.wildcards, inputs)
        last = _last_record(job, store)
        outputs = recall(store, action)
        unsure = not uncertain.isdisjoint(job.inputs.values())
        reasons = _reasons(last, action, root) if outputs is None or job.scheduled else ()
        if outputs is None:
            fate = COMPUTES
        elif unsure:
            fate = MAYBE
        else:
            fate = ANSWERED if job.scheduled else FRESH
        expected = outputs or _outputs_of(last)
        for name, path in job.outputs.items():
            contents[path] = _stored_content(store, expected.get(name), path)
        if outputs is None or unsure:
            uncertain.update(job.outputs.values())
        answers.append(Answer(job, fate, reasons or (_default_reason(fate, last),)))
    return answers


def as_text(answers: Sequence[Answer]) -> str:
    """A line for each job that is not up to date, with its reasons below; a count at the end."""
    lines = []
    for answer in answers:
        if answer.fate != FRESH:
            lines.append(f"{answer.job.name}: {answer.fate}")
            lines += [f"    {reason}" for reason in answer.reasons]
    counts = {fate: sum(answer.fate == fate for answer in answers) for fate in _COLOURS}
    return "\n".join([*lines, ", ".join(f"{n} {fate}" for fate, n in counts.items() if n)])


def as_dot(answers: Sequence[Answer]) -> str:
    """The graph for `dot`, each job coloured by its fate, its first reason as the second line."""
    makers = {path: answer.job.name for answer in answers for path in answer.job.outputs.values()}
    lines = ["digraph why {", '  graph [bgcolor=white]; node [shape=box, style="filled,rounded", fontname=sans];']
    for answer in answers:
        label = answer.job.name if answer.fate == FRESH else f"{answer.job.name}\\n{_short(answer.reasons[0])}"
        lines.append(
            f"  {json.dumps(answer.job.name)} [fillcolor={json.dumps(_COLOURS[answer.fate])}, label={_dq(label)}];"
        )
        before = sorted({makers[path] for path in answer.job.inputs.values() if path in makers})
        lines += [f"  {json.dumps(name)} -> {json.dumps(answer.job.name)};" for name in before]
    return "\n".join([*lines, "}"])


def _stored_content(store: Store, blob: Blob | None, path: Path) -> str:
    return content_of(store.path(blob.sha256)) if blob and store.has(blob) else f"unknown: {path}"


def _outputs_of(record: dict[str, Any] | None) -> dict[str, Blob]:
    return {name: Blob(**blob) for name, blob in record["outputs"].items()} if record else {}


def _last_record(job: PlannedJob, store: Store) -> dict[str, Any] | None:
    for path in job.outputs.values():
        record = read_record(path.as_posix())
        if record and (action := read_action(store, record.action)):
            return action
    return None


def _reasons(last: dict[str, Any] | None, action: Action, root: Path) -> tuple[str, ...]:
    if last is None:
        return ()
    code = last["code"]
    if last["action"]["spec"]["code"] != action.spec["code"]:
        code = reached_by(root, action.spec["script"])
    return tuple(differences(last, {"action": asdict(action), "code": code}))


def _default_reason(fate: str, last: dict[str, Any] | None) -> str:
    if fate == FRESH:
        return "nothing changed"
    if fate == MAYBE:
        return "upstream of it something computes"
    if fate == ANSWERED:
        return "its result is not in place, or older than an input; the store has it"
    return "never computed before" if last is None else "an object of its result is missing from the store"


def _short(reason: str) -> str:
    return reason if len(reason) <= 48 else f"{reason[:47]}…"


def _dq(text: str) -> str:
    return '"' + text.replace('"', "'") + '"'
