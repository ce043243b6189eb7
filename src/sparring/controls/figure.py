"""Trained against random as one figure: for each figure of each coder two points with their intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from sparring.controls.sentences import WORDS
from sparring.controls.with_probing import of_all_latents
from sparring.drawing import STYLE, save_svg

_SIDES = {"trained": ("#0072B2", "o", -0.14), "random": ("#D55E00", "D", 0.14)}
_WIDE, _ROW, _TOP, _BETWEEN, _BELOW = 6.4, 0.3, 0.3, 0.55, 0.6  # inches
_PANELS = {
    "variance explained": ("ve",),
    "cross-entropy recovered": ("ce_recovered",),
    "AUROC of a latent": ("detection", "fuzz", "bag_of_words"),
    "entropy of a latent's tokens, bits": ("token_entropy",),
}


def draw_controls(result: Mapping[str, Any], *, svg: Path) -> None:
    """A row for each twin in each panel: those of _PANELS and, where it was probed, accuracy on each task."""
    pairs = [found for twins in result["coders"].values() for found in twins.values()]
    probed = of_all_latents(pairs[0]["metrics"])
    panels = _PANELS | ({"accuracy of the probe on all latents": tuple(probed)} if probed else {})
    with plt.rc_context(STYLE):
        # Places in inches: an automatic layout differs in the last bits from one drawing to the next.
        heights = [_ROW * len(pairs) * len(names) for names in panels.values()]
        tall = _TOP + sum(heights) + _BETWEEN * (len(heights) - 1) + _BELOW
        figure, axes, at = plt.figure(figsize=(_WIDE, tall)), [], tall - _TOP
        for (title, names), height in zip(panels.items(), heights, strict=True):
            axes.append(figure.add_axes((0.27, (at - height) / tall, 0.7, height / tall)))
            _panel(axes[-1], pairs, names, title)
            at -= height + _BETWEEN
        handles = [
            axes[0].plot([], [], marker, color=colour, markersize=4, label=side)[0]
            for side, (colour, marker, _) in _SIDES.items()
        ]
        figure.legend(handles=handles, loc="lower center", ncols=2, frameon=False)
        save_svg(figure, svg)


def _panel(axis: Any, pairs: Sequence[Mapping[str, Any]], names: Sequence[str], title: str) -> None:
    labels: list[str] = []
    for name in names:
        for found in pairs:
            row = len(labels)
            labels.append(
                found["twin"] if len(names) == 1 else f"{WORDS.get(name, name.split(', ')[0])}\n{found['twin']}"
            )
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
