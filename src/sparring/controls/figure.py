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
_TITLES = ("variance explained", "cross-entropy recovered", "AUROC of a latent", "entropy of a latent's tokens, bits")


def draw_controls(result: Mapping[str, Any], *, svg: Path) -> None:
    """Four panels, a row for each twin and figure: variance explained, cross-entropy recovered, AUROC, token entropy."""
    pairs = [found for twins in result["coders"].values() for found in twins.values()]
    with plt.rc_context({"svg.hashsalt": "sparring", "svg.fonttype": "path", "font.size": 8}):
        figure, axes = plt.subplots(
            len(_PANELS),
            1,
            figsize=(6.4, 2.0 + 0.3 * sum(len(pairs) * len(names) for names in _PANELS)),
            height_ratios=[len(names) for names in _PANELS],
            layout="constrained",
        )
        for axis, names, title in zip(axes, _PANELS, _TITLES, strict=True):
            _panel(axis, pairs, names, title)
        handles = [
            axes[0].plot([], [], marker, color=colour, markersize=4, label=side)[0]
            for side, (colour, marker, _) in _SIDES.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
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
