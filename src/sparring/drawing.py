"""Figures whose bytes depend on what they show alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

STYLE = {
    "svg.hashsalt": "sparring",  # element ids from the content instead of at random
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",  # comes with matplotlib, so the same glyphs everywhere
    "font.size": 8,
}


def save_svg(figure: Figure, svg: Path) -> None:
    """Write the figure without the date, and close it."""
    figure.savefig(svg, format="svg", metadata={"Date": None})
    plt.close(figure)


def estimates(axes: Axes, figures: Mapping[str, Any], colour: str, style: str, label: str) -> None:
    """A line through the values of {place: {"value", "ci95"}}, bars for intervals; those without are left out."""
    known = {int(place): one for place, one in figures.items() if one["value"] is not None}
    if known:
        values = np.array([one["value"] for one in known.values()])
        ends = np.array([one["ci95"] for one in known.values()])
        error = np.maximum(np.abs(ends.T - values), 0)
        axes.errorbar(
            list(known), values, yerr=error, fmt=style, color=colour, markersize=3.5, linewidth=1, label=label
        )
