"""The head-to-head as one figure: the latents' scores, what the instrument can tell, and the difference.

An estimation plot (Gardner and Altman 1986; Ho et al. 2019) for each metric: on the left the latents of both arms with
their means between the floor and the ceiling of the instrument, on the right the bootstrap distribution of the
difference of means.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy.stats import gaussian_kde

from sparring.drawing import STYLE, save_svg
from sparring.perlatent import ArmScores
from sparring.stats.bootstrap import bootstrap_diff_of_means
from sparring.words import interval

# Okabe and Ito's colours, told apart by colour-blind readers and in grey; the arms differ in marker as well.
_ARM = (("#0072B2", "o"), ("#D55E00", "D"))
_FLOOR, _CEILING, _INK = "#999999", "#009E73", "#222222"
_STYLE = STYLE | {
    "font.size": 7.5,
    "axes.linewidth": 0.6,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}
_HALF = 0.36  # half width of an arm's column, in columns


def draw_figure(result: Mapping[str, Any], scores: Mapping[str, ArmScores], *, svg: Path, png: Path) -> None:
    """Write the figure of `result` to `svg` and `png` (300 dpi): equal input, equal bytes, whatever the files' names.

    `scores` are the arms': the figures of single latents are not kept in the result.
    """
    arms = {name: scores[name] for name in result["order"]}
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(
            1, 5, figsize=(7.0, 3.2), width_ratios=(2.5, 1, 0.6, 2.5, 1), gridspec_kw={"wspace": 0.14}
        )
        figure.subplots_adjust(left=0.07, right=0.93, bottom=0.235, top=0.9)
        axes[2].set_axis_off()
        panels = {metric: (axes[3 * place], axes[3 * place + 1]) for place, metric in enumerate(result["metrics"])}
        for letter, (metric, pair) in zip("ab", panels.items(), strict=True):
            _panel(*pair, result, arms, metric, letter=letter)
        _same_heights([left for left, _ in panels.values()])
        _same_heights([right for _, right in panels.values()])
        axes[0].set_ylabel("AUROC of a latent")
        figure.legend(handles=_key(), loc="lower center", ncols=4, frameon=False, handlelength=1.6, columnspacing=2.2)
        figure.savefig(png, format="png", dpi=300, metadata={"Software": None})
        save_svg(figure, svg)


def _panel(
    left: Axes, right: Axes, result: Mapping[str, Any], arms: Mapping[str, ArmScores], metric: str, *, letter: str
) -> None:
    name = f"{metric} (primary)" if metric == result["primary"] else metric
    left.set_title(f"{letter}   {name[0].upper()}{name[1:]}", loc="left", fontweight="bold", fontsize=8.5, pad=8)
    if "not_measured" in result["metrics"][metric]:
        left.text(0.5, 0.5, "not measured", ha="center", transform=left.transAxes)
        left.set_axis_off()
        right.set_axis_off()
        return
    samples = [arms[name].table(metric, "real").values for name in result["order"]]
    _latents(left, result, metric, samples)
    _difference(right, result, metric, samples)


def _latents(axes: Axes, result: Mapping[str, Any], metric: str, samples: list[NDArray[np.float64]]) -> None:
    for place, (name, sample) in enumerate(zip(result["order"], samples, strict=True)):
        colour, marker = _ARM[place]
        column = (place - _HALF - 0.07, place + _HALF + 0.07)
        for kind, shade in (("floor", _FLOOR), ("ceiling", _CEILING)):
            if band := result["instrument"][kind][metric][name]:
                axes.fill_between(column, *band["ci95"], color=shade, alpha=0.28, linewidth=0, zorder=1)
                axes.hlines(band["mean"], *column, color=shade, linewidth=1, zorder=2)
        axes.scatter(
            place + swarm(sample),
            sample,
            s=10 if sample.size <= 80 else 7,
            marker=marker,
            color=colour,
            alpha=0.75,
            linewidths=0,
            zorder=3,
        )
        for width, shade in ((3.0, "white"), (1.8, _INK)):
            axes.hlines(sample.mean(), place - _HALF, place + _HALF, color=shade, linewidth=width, zorder=4)
    axes.axhline(0.5, color=_INK, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0)
    labels = [
        f"{name}\nmean {sample.mean():.3f}\nn = {sample.size}"
        for name, sample in zip(result["order"], samples, strict=True)
    ]
    axes.set_xticks(range(2), labels)
    axes.set_xlim(-0.55, 1.55)
    axes.tick_params(axis="x", length=0)
    axes.spines[["top", "right"]].set_visible(False)


def _difference(axes: Axes, result: Mapping[str, Any], metric: str, samples: list[NDArray[np.float64]]) -> None:
    found = result["metrics"][metric]
    low, high = found["ci95"]
    colour = _INK if low <= 0 <= high else _ARM[found["diff"] > 0][0]
    spread = bootstrap_diff_of_means(*samples, resamples=found["resamples"], seed=found["seed"]).distribution
    if np.ptp(spread) > 0:
        y = np.linspace(spread.min(), spread.max(), 200)
        density = gaussian_kde(spread)(y)
        axes.fill_betweenx(y, 0, 0.85 * density / density.max(), color=colour, alpha=0.22, linewidth=0)
    axes.axhline(0, color=_INK, linewidth=0.6, linestyle=(0, (4, 2)))
    axes.vlines(0, low, high, color=colour, linewidth=2)
    axes.plot(0, found["diff"], marker="o", markersize=4.5, color=colour)
    axes.set_xlim(-0.2, 1)
    name = found["diff_is"].replace(" - ", " − ") if len(found["diff_is"]) <= 20 else "difference"
    figures = f"{found['diff']:+.3f}\n95% {interval(found['ci95'])}".replace("-", "−")
    axes.set_xticks([0.4], [f"{name}\n{figures}"])
    axes.tick_params(axis="x", length=0)
    axes.yaxis.tick_right()
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5]))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:+.2f}".replace("-", "−") if abs(value) > 1e-9 else "0")
    axes.spines[["top", "left", "bottom"]].set_visible(False)


def _same_heights(axes: list[Axes]) -> None:
    """One scale for both metrics, so that a difference looks as large as it is."""
    drawn = [ax.get_ylim() for ax in axes if ax.axison]
    for ax in axes:
        if drawn:
            ax.set_ylim(min(low for low, _ in drawn), max(high for _, high in drawn))


def _key() -> list[Any]:
    return [
        Patch(facecolor=_CEILING, alpha=0.45, label="ceiling: oracle explanations"),
        Patch(facecolor=_FLOOR, alpha=0.45, label="floor: shuffled explanations"),
        Line2D([], [], color=_INK, linewidth=1.8, label="mean over latents"),
        Line2D([], [], color=_INK, linewidth=0.6, linestyle=(0, (1, 2)), label="chance"),
    ]


def swarm(values: NDArray[np.float64], *, bins: int = 40) -> NDArray[np.float64]:
    """Sideways offsets in [-_HALF, _HALF] that set values of about the same height beside each other."""
    offsets = np.zeros(values.size)
    order = np.argsort(values, kind="stable")
    span = float(np.ptp(values)) or 1.0
    rows = np.floor((values - values.min()) / span * bins).astype(int)
    fullest = max(int(np.bincount(rows).max()), 1)
    for row in np.unique(rows):
        members = order[rows[order] == row]
        steps = np.arange(members.size) - (members.size - 1) / 2
        offsets[members] = steps * min(0.09, 2 * _HALF / fullest)
    return offsets
