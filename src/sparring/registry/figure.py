"""One figure as every run writes it, and what a measure found."""

from collections.abc import Sequence
from typing import Any, NamedTuple

Figures = dict[str, dict[str, Any]]


class Found(NamedTuple):
    """Figures by name; sentences that leave the run undecided; sentences that make it a failure."""

    figures: Figures
    doubts: Sequence[str] = ()
    failures: Sequence[str] = ()


def figure(value: float | None, ci95: Sequence[float] | None = None, n: int | None = None) -> dict[str, Any]:
    """{"value", "ci95", "n"}: None where it could not be measured; n counts the units behind it."""
    return {"value": value, "ci95": None if ci95 is None else list(ci95), "n": n}
