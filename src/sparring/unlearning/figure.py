"""Unlearning as a figure: what the next tokens cost more, of the class and of other texts, by the size of the set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from sparring.drawing import STYLE, estimates, save_svg
from sparring.unlearning.page import SIZE

_LOOKS = {"set": ("#0072B2", "o-", "the set"), "random": ("#999999", "s-", "random sets")}
_INK = "#222222"


def draw_unlearning(result: Mapping[str, Any], *, svg: Path) -> None:
    """Two panels with one scale, 95% intervals over texts: equal input, equal bytes."""
    sizes = result["sizes"]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(6.0, 2.8), sharey=True, layout="constrained")
        for axis, side, title in zip(
            axes, ("class", "others"), (f"texts of {result['plan']['label']}", "other texts"), strict=True
        ):
            for which, looks in _LOOKS.items():
                estimates(axis, {size: of[side][which] for size, of in sizes.items()}, *looks)
            axis.axhline(0, color=_INK, linewidth=0.6, linestyle=":")
            axis.set_xscale("log")
            axis.set_xlabel(SIZE)
            axis.set_xticks([int(size) for size in sizes], list(sizes))
            axis.minorticks_off()
            axis.set_title(title)
        axes[0].set_ylabel("delta CE, nats a token")
        axes[0].legend(frameon=False, fontsize=6, loc="upper left")
        save_svg(figure, svg)
