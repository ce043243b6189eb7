"""Steering as one figure: success against fluency for each way, and what each concept gains."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from sparring.drawing import STYLE, save_svg
from sparring.figure import swarm
from sparring.steering.concept import BASELINE
from sparring.steering.page import said

# Okabe and Ito's colours, told apart by colour-blind readers; ways differ in marker as well.
_WAYS = {
    "latent": ("#0072B2", "o"),
    "difference_of_means": ("#D55E00", "D"),
    "random": ("#999999", "s"),
    "prompt": ("#009E73", "^"),
}
_INK = "#222222"


def draw_steering(result: Mapping[str, Any], *, svg: Path) -> None:
    """Write the figure of `steer`'s result: equal input, equal bytes."""
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.2), layout="constrained")
        if result["headline"] is None:
            for axes in (left, right):
                axes.text(0.5, 0.5, "degenerate: no concept is left", ha="center", transform=axes.transAxes)
                axes.set_axis_off()
        else:
            _curves(left, result["headline"], result["plan"]["ppl_cap"])
            _gains(right, result)
        save_svg(figure, svg)


def _curves(axes: Axes, over: Mapping[str, Any], cap: float) -> None:
    for way, (colour, marker) in _WAYS.items():
        points = [(one["ppl_ratio"], one["success"], factor) for factor, one in over["curves"][way].items()]
        x, y, factors = zip(*sorted(points, key=lambda point: float(point[2])), strict=True)
        axes.plot(x, y, color=colour, marker=marker, markersize=4.5, linewidth=1, label=said(way))
        if way == "latent":
            for place in zip(x, y, factors, strict=True):
                axes.annotate(
                    place[2], place[:2], xytext=(3, 3), textcoords="offset points", color=colour, fontsize=6.5
                )
    axes.axvline(cap, color=_INK, linewidth=0.8, linestyle=(0, (4, 2)))
    axes.axhline(over["baseline"]["success"]["value"], color=_INK, linewidth=0.6, linestyle=(0, (1, 2)))
    axes.set_xscale("log")
    for ticks in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        ticks(lambda value, _: f"{value:g}")
    axes.set(xlabel="perplexity / unsteered", ylabel="success", ylim=(-0.03, 1.03), title="success against fluency")
    axes.legend(frameon=False, fontsize=7)


def _gains(axes: Axes, result: Mapping[str, Any]) -> None:
    """A dot a concept; means with their intervals."""
    for place, (way, (colour, marker)) in enumerate(_WAYS.items()):
        name = f"{way} - {BASELINE}"
        counted = [one for one in result["concepts"] if not one["degenerate"] and name in one["differences"]]
        mean = result["headline"]["differences"][name]
        if mean is None:
            continue
        values = np.array([one["differences"][name]["value"] for one in counted])
        axes.plot(place + swarm(values), values, linestyle="", marker=marker, color=colour, alpha=0.6, markersize=4)
        axes.vlines(place, *mean["ci95"], color=_INK, linewidth=1.5)
        axes.hlines(mean["value"], place - 0.25, place + 0.25, color=_INK, linewidth=1.5)
    axes.axhline(0, color=_INK, linewidth=0.6, linestyle=(0, (1, 2)))
    axes.set_xticks(range(len(_WAYS)), [said(way).replace(" of ", "\nof ") for way in _WAYS])
    axes.set(ylabel="success - unsteered", title="concepts, on the other half")
