"""Three panels: the strongest edges as a graph, attribution against ablation, faithfulness against edges."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from sparring.drawing import STYLE, save_svg

_DRAWN = 40  # edges, by exact effect; the found ones first
_PLUS, _MINUS, _GREY, _INK = "#0072B2", "#D55E00", "#BBBBBB", "#222222"
Result = Mapping[str, Any]
READOUT = "readout"


def draw_edges(result: Result, *, svg: Path) -> None:
    """Write the figure of a result: equal result, equal bytes."""
    with plt.rc_context(STYLE | {"font.size": 7.5}):
        figure, (left, middle, right) = plt.subplots(
            1, 3, figsize=(11, 4.6), width_ratios=(2, 1, 1), layout="constrained"
        )
        _graph(left, result)
        _scatter(middle, result)
        _faithfulness(right, result)
        save_svg(figure, svg)


def _graph(axes: Axes, result: Result) -> None:
    edges = sorted(result["edges"], key=lambda one: not one["found"])[:_DRAWN]  # stable: by effect within each
    used = {name for one in edges for name in (one["from"], one["to"])}
    columns = [layer["arm"] for layer in result["layers"]]
    nodes = {one["node"]: one for one in result["nodes"] if one["node"] in used}
    places: dict[str, tuple[float, float]] = {READOUT: (len(columns), 0.5)}
    for column, arm in enumerate(columns):
        mine = sorted((n for n in nodes if n.split(":")[0] == arm), key=lambda n: -nodes[n]["effect"]["value"])
        places |= {name: (column, 1 - (row + 0.5) / len(mine)) for row, name in enumerate(mine)}
    widest = max((abs(one["effect"]["exact"]) for one in edges), default=1.0) or 1.0
    for one in reversed(edges):
        value = one["effect"]["exact"]
        (x0, y0), (x1, y1) = places[one["from"]], places[one["to"]]
        axes.plot(
            [x0, x1],
            [y0, y1],
            color=(_PLUS if value > 0 else _MINUS) if one["found"] else _GREY,
            linewidth=0.4 + 3.6 * abs(value) / widest,
            alpha=0.75,
            zorder=2 if one["found"] else 1,
            solid_capstyle="round",
        )
    largest = max((abs(one["effect"]["value"]) for one in nodes.values()), default=1.0) or 1.0
    for name, one in nodes.items():
        value = one["effect"]["value"]
        size = 12 + 90 * abs(value) / largest
        axes.scatter(*places[name], s=size, color=_PLUS if value > 0 else _MINUS, edgecolors="white", zorder=3)
        tokens = " ".join(token.strip() or "_" for token in one["tokens"][:2])
        axes.annotate(
            f"{name.split(':')[1]} {_plain(tokens)}",
            places[name],
            xytext=(5, 4),
            textcoords="offset points",
            fontsize=5.5,
        )
    axes.scatter(*places[READOUT], s=90, marker="s", color=_INK, zorder=3)
    axes.set_xticks(range(len(columns) + 1), [*columns, f"readout\n{result['plan']['readout']}"])
    axes.set(xlim=(-0.2, len(columns) + 0.35), ylim=(-0.03, 1.06), yticks=[])
    axes.set_title(f"{len(edges)} edges, the found ones first ({result['found']} found in all)", loc="left")
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)


def _plain(text: str) -> str:
    """Without what matplotlib would read as mathematics, or has no glyph for."""
    return "".join(letter if letter.isascii() and letter.isprintable() else "\u00b7" for letter in text).replace(
        "$", "\\$"
    )


def _scatter(axes: Axes, result: Result) -> None:
    latent = [one for one in result["edges"] if one["to"] != READOUT]
    way = "integrated" if latent and "integrated" in latent[0]["strength"] else "attribution"
    x, y = (np.array([one["strength"][name] for one in latent]) for name in (way, "exact"))
    axes.scatter(x, y, s=6, color=_PLUS, alpha=0.5, linewidths=0)
    span = max(float(np.abs(np.concatenate([x, y])).max(initial=0)), 1e-6)
    axes.plot([-span, span], [-span, span], color=_GREY, linewidth=0.8, zorder=0)
    linear = 10.0 ** (np.floor(np.log10(span)) - 1)
    ticks = [sign * linear * factor for sign in (-1, 1) for factor in (1, 10)]
    axes.set_xscale("symlog", linthresh=linear)
    axes.set_yscale("symlog", linthresh=linear)
    axes.set_xticks([0, *ticks], minor=False)
    axes.set_yticks([0, *ticks], minor=False)
    found = result["check"]["strength"][way]["all"]["spearman"]
    title = "no rank correlation" if found is None else f"Spearman {found['value']:.3f}"
    axes.set_title(f"{title} on {len(latent)} edges", loc="left")
    named = "integrated gradients" if way == "integrated" else way
    axes.set(xlabel=f"strength by {named}", ylabel="strength by ablation")
    axes.spines[["top", "right"]].set_visible(False)


def _faithfulness(axes: Axes, result: Result) -> None:
    found = result["faithfulness"]
    axes.set(xlabel="edges kept", ylabel="faithfulness")
    axes.spines[["top", "right"]].set_visible(False)
    if found["all"]["faithfulness"] is None:
        axes.set_title("nothing to carry", loc="left")
        return
    points = [*found["points"], found["all"] | {"edges": len(result["edges"]), "random": None}]
    for name, colour, label in (("faithfulness", _PLUS, "ranked by attribution"), ("random", _GREY, "random")):
        some = [one for one in points if one[name] is not None]
        x, y = [one["edges"] for one in some], [one[name]["value"] for one in some]
        axes.plot(x, y, marker="o", markersize=3, color=colour, label=label)
        low, high = ([one[name]["ci95"][side] for one in some] for side in (0, 1))
        axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
    for level in (0, 1):
        axes.axhline(level, color=_INK, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0)
    axes.set_xscale("log")
    axes.set_title(f"other latents: {found['others']}; errors: {found['errors']}", loc="left")
    axes.legend(frameon=False)
