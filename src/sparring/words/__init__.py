"""Figures and sentences as they are printed everywhere."""

from collections.abc import Iterable, Sequence
from pathlib import Path


def interval(ci: Sequence[float]) -> str:
    """An interval of a difference, signed."""
    return f"[{ci[0]:+.3f}, {ci[1]:+.3f}]"


def plain_interval(ci: Sequence[float]) -> str:
    """An interval of a quantity that has no sign to show."""
    return f"[{ci[0]:.3f}, {ci[1]:.3f}]"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """A Markdown table whose first `words` columns are text; figures stand to the right."""
    lines = [header, ["---"] * words + ["---:"] * (len(header) - words), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def lowered(text: str) -> str:
    """A sentence to go on within another."""
    return text[:1].lower() + text[1:]


def terms() -> str:
    """What the page's terms mean, as a Markdown list."""
    return Path(__file__).with_name("terms.md").read_text().rstrip()
