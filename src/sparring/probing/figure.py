"""Probing as one figure: each probe of the arm and of its controls with intervals, and the paired differences."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from sparring.drawing import STYLE, save_svg

_ARM, _CONTROLS = ("#0072B2", "o"), (("#D55E00", "D"), ("#CC79A7", "s"), ("#E69F00", "^"), ("#56B4E9", "v"))
_BASELINE, _INK = "#009E73", "#222222"
_LINE = "bag_of_words"
Result = Mapping[str, Any]


def draw_probing(result: Result, *, svg: Path) -> None:
    """Left: macro accuracies, the bag of words a line; right: arm minus control on the same texts."""
    names = [name for name in result["measures"] if name != _LINE]
    controls = result["controls"]
    with plt.rc_context(STYLE):
        size = (7.0 if controls else 4.6, 1.3 + 0.3 * len(names))
        panels = 2 if controls else 1
        figure, axes = plt.subplots(1, panels, figsize=size, layout="constrained", sharey=True, squeeze=False)
        left = axes[0][0]
        arms = {result["arm"]["name"]: result, **controls}
        for place, ((name, of), look) in enumerate(zip(arms.items(), [_ARM, *_looks(len(controls))], strict=True)):
            points = [(of["measures"][one]["macro"], of["measures"][one]["ci95"]) for one in names]
            _points(left, points, _offset(place, len(arms)), look, name)
        words = result["measures"][_LINE]
        left.axvspan(*words["ci95"], color=_BASELINE, alpha=0.12, linewidth=0)
        left.axvline(words["macro"], color=_BASELINE, linewidth=1, label="bag of words")
        left.axvline(0.5, color=_INK, linewidth=0.6, linestyle=(0, (1, 2)), label="chance")
        left.set(title="macro accuracy", yticks=range(len(names)), yticklabels=[_named(one) for one in names])
        left.invert_yaxis()
        if controls:
            _differences(axes[0][1], controls, names)
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
        save_svg(figure, svg)


def _differences(axes: Any, controls: Mapping[str, Any], names: Sequence[str]) -> None:
    for place, (of, look) in enumerate(zip(controls.values(), _looks(len(controls)), strict=True)):
        pairs = [of["pairs"].get(one) for one in names]
        points = [None if pair is None else (pair["difference"], pair["ci95"]) for pair in pairs]
        _points(axes, points, _offset(place, len(controls)), look, None)
    axes.axvline(0, color=_INK, linewidth=0.6, linestyle=(0, (4, 2)))
    axes.set(title="arm minus control, same texts")


def _points(axes: Any, points: Sequence[Any], offset: float, look: tuple[str, str], label: str | None) -> None:
    colour, marker = look
    there = [(row + offset, *point) for row, point in enumerate(points) if point is not None]
    for row, _, ends in there:
        axes.plot(ends, [row, row], "-", color=colour, linewidth=1.2)
    axes.plot(
        [value for _, value, _ in there], [row for row, _, _ in there], marker, color=colour, markersize=4, label=label
    )


def _named(measure: str) -> str:
    for prefix, what in (("sae_", "latents, "), ("residual_", "coordinates, ")):
        measure = measure.replace(prefix, what)
    return measure.replace("_", " ")


def _looks(number: int) -> list[tuple[str, str]]:
    return [_CONTROLS[place % len(_CONTROLS)] for place in range(number)]


def _offset(place: int, number: int) -> float:
    return 0.18 * (place - (number - 1) / 2)
