"""Figures whose bytes depend on what they show alone."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
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
