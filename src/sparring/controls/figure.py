"""Trained against random as one figure: for each figure of each coder two points with their intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from sparring.controls.sentences import WORDS

_SIDES = {"trained": ("#0072B2", "o", -0.14), "random": ("#D55E00", "D", 0.14)}
_PANELS = (("ve",), ("ce_recovered",), ("detection", "fuzz", "bag_of_words"), ("token_entropy",))
_WIDE, _ROW, _TOP, _BETWEEN, _BELOW = 6.4, 0.3, 0.3, 0.55, 0.6  # inches
_TITLES = ("variance explained", "cross-entropy recovered", "AUROC of a latent", "entropy of a latent's tokens, bits")


def draw_controls(result: Mapping[str, Any], *, svg: Path) -> None:
    """Four panels, a row for each twin: variance explained, cross-entropy recovered, AUROC, token entropy."""
    pairs = [found for twins in result["coders"].values() for found in twins.values()]
    with plt.rc_context({"svg.hashsalt": "sparring", "svg.fonttype": "path", "font.size": 8}):
        # Places in inches: an automatic layout differs in the last bits from one drawing to the next.
        heights = [_ROW * len(pairs) * len(names) for names in _PANELS]
        tall = _TOP + sum(heights) + _BETWEEN * (len(heights) - 1) + _BELOW
        figure, axes, at = plt.figure(figsize=(_WIDE, tall)), [], tall - _TOP
        for names, title, height in zip(_PANELS, _TITLES, heights, strict=True):
            axes.append(figure.add_axes((0.27, (at - height) / tall, 0.7, height / tall)))
            _panel(axes[-1], pairs, names, title)
            at -= height + _BETWEEN
        handles = [
            axes[0].plot([], [], marker, color=colour, markersize=4, label=side)[0]
            for side, (colour, marker, _) in _SIDES.items()
        ]
        figure.legend(handles=handles, loc="lower center", ncols=2, frameon=False)
        figure.savefig(svg, format="svg", metadata={"Date": None})
        plt.close(figure)


def _panel(axis: Any, pairs: Sequence[Mapping[str, Any]], names: Sequence[str], title: str) -> None:
    labels: list[str] = []
    for name in names:
        for found in pairs:
            row = len(labels)
            labels.append(found["twin"] if len(names) == 1 else f"{WORDS[name]}\n{found['twin']}")
            metric = found["metrics"][name]
            for side, (colour, marker, shift) in _SIDES.items():
                one = metric.get(side)
                if one is None or one["value"] is None:
                    continue
                if one["ci95"] is not None:
                    axis.plot(one["ci95"], [row + shift] * 2, "-", color=colour, linewidth=1.2)
                axis.plot(one["value"], row + shift, marker, color=colour, markersize=4)
    axis.set_title(title, loc="left")
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.spines[["top", "right"]].set_visible(False)
