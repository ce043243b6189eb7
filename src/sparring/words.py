"""Figures and sentences as they are printed everywhere."""

from collections.abc import Sequence


def interval(ci: Sequence[float]) -> str:
    """An interval of a difference, signed."""
    return f"[{ci[0]:+.3f}, {ci[1]:+.3f}]"


def lowered(text: str) -> str:
    """A sentence to go on within another."""
    return text[:1].lower() + text[1:]
