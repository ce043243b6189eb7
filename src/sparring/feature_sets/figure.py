"""A feature set as a figure: accuracy by size against random sets, and faithfulness with its complement."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from sparring.drawing import STYLE, estimates, save_svg
from sparring.feature_sets.page import SIZE, SWITCHES

Result = Mapping[str, Any]
_LOOKS = {"errors_stay": ("#0072B2", "o-"), "errors_ablated": ("#D55E00", "D-")}
_GREY, _GREEN, _INK = "#999999", "#009E73", "#222222"


def draw_feature_sets(result: Result, *, svg: Path) -> None:
    """Two panels over the number of latents, 95% intervals over texts: equal input, equal bytes."""
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.4), layout="constrained")
        _accuracies(left, result)
        _shares(right, result["faithfulness"])
        further = [size for size in result["faithfulness"]["errors_stay"]["curve"] if size != "all"]
        for axis, sizes in ((left, list(result["sizes"])), (right, further)):
            axis.set_xscale("log")
            axis.set_xlabel(SIZE)
            axis.set_xticks([int(size) for size in sizes], sizes)
            axis.minorticks_off()
            if axis.get_legend_handles_labels()[0]:
                axis.legend(fontsize=6, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
        save_svg(figure, svg)


def _accuracies(axis: Any, result: Result) -> None:
    sizes = result["sizes"]
    at = [int(size) for size in sizes]
    random = np.array([one["random"]["value"] for one in sizes.values()])
    spread = np.array([one["random"]["sd_over_sets"] for one in sizes.values()])
    axis.fill_between(at, random - spread, random + spread, color=_GREY, alpha=0.35, linewidth=0)
    axis.plot(at, random, "s-", color=_GREY, markersize=3, linewidth=1, label="random sets, one sd over sets")
    estimates(axis, {size: one["set"] for size, one in sizes.items()}, *_LOOKS["errors_stay"], "the set")
    axis.axhline(result["ceiling"]["value"], color=_GREEN, linewidth=1, label="all latents")
    axis.axhline(0.5, color=_INK, linewidth=0.6, linestyle=":")
    axis.set_title(f"accuracy: {result['plan']['label']} against the others")


def _shares(axis: Any, of: Result) -> None:
    for switch, (colour, style) in _LOOKS.items():
        curve = {size: one for size, one in of[switch]["curve"].items() if size != "all"}
        estimates(axis, curve, colour, style, f"the set, {SWITCHES[switch]}")
        rest = {size: one["complement"] for size, one in of[switch]["sizes"].items()}
        estimates(axis, rest, colour, "x:", f"all but it, {SWITCHES[switch]}")
    twins = {size: one["random"] for size, one in of["errors_stay"]["sizes"].items()}
    estimates(axis, twins, _GREY, "s-", "random sets, errors stay")
    if all(of[switch]["curve"]["all"]["value"] is None for switch in SWITCHES):
        axis.annotate("nothing to be faithful to", (0.5, 0.5), xycoords="axes fraction", ha="center")
    axis.axhline(1, color=_INK, linewidth=0.6, linestyle=":")
    axis.set_title("share of the readout's margin")
