"""What stands behind a job: the specs of the jobs that led to it, planned ones and those that a store remembers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.manifest import content_of
from sparring.memo import read_action
from sparring.planned import PlannedJob
from sparring.store import Store

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Lineage:
    """A job's rule and spec, and by rule the specs of all jobs above it, each once, the nearest first."""

    rule: str
    spec: Spec
    above: Mapping[str, tuple[Spec, ...]]

    def first(self, rule: str) -> Spec | None:
        """The spec of the nearest job of `rule` above this one (or its own), or None."""
        if rule == self.rule:
            return self.spec
        found = self.above.get(rule, ())
        return found[0] if found else None


@dataclass(frozen=True)
class Remembered:
    """A job that a store's memo knows: its lineage, the seconds and the machine that computing it took."""

    key: str
    lineage: Lineage
    seconds: float
    machine: str


def of_jobs(jobs: Sequence[PlannedJob]) -> list[Lineage]:
    """The lineage of each of `jobs`, in their order."""
    makers = {path: job for job in jobs for path in job.outputs.values()}
    return [
        _walk(job.rule, job.spec, list(job.inputs.values()), lambda path: _planned(makers.get(path))) for job in jobs
    ]


class Memory:
    """Every action that `store` remembers, by the contents it gave."""

    def __init__(self, store: Store) -> None:
        self._actions: dict[str, dict[str, Any]] = {}
        self._gave: dict[str, dict[str, Any]] = {}
        for path in sorted((store.root / "actions").glob("*/*.json")):
            action = read_action(store, path.stem)
            if action is None:
                continue
            self._actions[path.stem] = action
            for blob in action["outputs"].values():
                stored = store.path(blob["sha256"])
                if stored.is_file():
                    self._gave[content_of(stored)] = action

    def lineage(self, rule: str, spec: Spec, inputs: Mapping[str, str]) -> Lineage:
        """Of a job with inputs of these contents."""
        return _walk(rule, spec, list(inputs.values()), lambda content: _done(self._gave.get(content)))

    def measured(self) -> list[Remembered]:
        """Every job whose record tells how long it took."""
        found = []
        for key, record in self._actions.items():
            action, took = record["action"], record.get("measured") or {}
            if "seconds" in took:
                lineage = self.lineage(action["rule"], action["spec"], action["inputs"])
                found.append(Remembered(key, lineage, float(took["seconds"]), str(took.get("machine", ""))))
        return found


Maker = tuple[str, Spec, list[Any]]


def _planned(job: PlannedJob | None) -> Maker | None:
    return None if job is None else (job.rule, job.spec, list(job.inputs.values()))


def _done(record: dict[str, Any] | None) -> Maker | None:
    if record is None:
        return None
    action = record["action"]
    return action["rule"], action["spec"], list(action["inputs"].values())


def _walk(rule: str, spec: Spec, inputs: list[Any], maker: Callable[[Any], Maker | None]) -> Lineage:
    above: dict[str, list[Spec]] = {}
    seen: set[str | Path] = set()
    wanted = list(inputs)
    while wanted:
        one = wanted.pop(0)
        if one in seen:
            continue
        seen.add(one)
        if (made := maker(one)) is not None:
            if made[1] not in above.setdefault(made[0], []):
                above[made[0]].append(made[1])
            wanted += made[2]
    return Lineage(rule, spec, {name: tuple(specs) for name, specs in above.items()})
