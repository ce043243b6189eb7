"""Totals of jobs by the stage of the graph that they belong to."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable


@runtime_checkable
class OfStage(Protocol):
    """What has a stage."""

    @property
    def stage(self) -> str:
        """Its name."""


T = TypeVar("T", bound=OfStage)


def by_stage(jobs: Sequence[T], total: Callable[[str, Sequence[T]], dict[str, Any]]) -> list[dict[str, Any]]:
    """`total` of each stage, in the order in which they begin, then under the name "total" of all jobs."""
    names = list(dict.fromkeys(job.stage for job in jobs))
    groups = [(name, [job for job in jobs if job.stage == name]) for name in names]
    return [total(name, some) for name, some in [*groups, ("total", list(jobs))]]
