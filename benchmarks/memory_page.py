"""docs/benchmarks/memory_gpu.md and its picture from the figures of benchmarks/memory_gpu.py.

python benchmarks/memory_page.py FIGURES.json docs/figures/memory_gpu.svg > docs/benchmarks/memory_gpu.md
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from sparring.drawing import STYLE, plt, save_svg
from sparring.words import table

_HEADER = ("what", "allocated, GiB", "measured, GiB", "foreseen, GiB", "off by")


def is_training(name: str) -> bool:
    """Whether the case of this name is a training; else it is a forward pass."""
    return " latents, k " in name


def draw(cases: list[Mapping[str, Any]], svg: Path) -> None:
    """Each case's foreseen against its measured GiB, and the band of 15% around where they are equal."""
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(4.2, 3.4), layout="constrained")
        ends = np.array([0.4, 50.0])
        axes.fill_between(ends, 0.85 * ends, 1.15 * ends, color="#dddddd", lw=0, label="within 15%")
        axes.plot(ends, ends, color="#888888", lw=0.8)
        for name, colour, shape in (("training", "#0072B2", "o"), ("forward pass", "#D55E00", "^")):
            of = [case for case in cases if is_training(case["name"]) == (name == "training")]
            measured, foreseen = ([case[key] for case in of] for key in ("reserved", "foreseen"))
            axes.plot(measured, foreseen, shape, ms=4, color=colour, mec="white", mew=0.4, label=name)
        axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel="measured, GiB", ylabel="foreseen, GiB")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_ticks([0.5, 1, 2, 5, 10, 20, 40], minor=False)
            axis.set_ticks([], minor=True)
        axes.legend(frameon=False, loc="upper left")
        save_svg(figure, svg)


def main() -> None:
    """Entry point."""
    said = json.loads(Path(sys.argv[1]).read_text())
    lines = {
        case["name"]: [
            case["name"],
            *(f"{case[key]:.2f}" for key in ("allocated", "reserved", "foreseen")),
            f"{case['foreseen'] / case['reserved'] - 1:+.1%}",
        ]
        for case in said["cases"]
    }
    trainings = [line for name, line in lines.items() if is_training(name)]
    passes = [line for name, line in lines.items() if not is_training(name)]
    off = [abs(case["foreseen"] / case["reserved"] - 1) for case in said["cases"]]
    draw(said["cases"], Path(sys.argv[2]))
    page = Path(__file__).with_name("memory_gpu.md").read_text()
    for word, text in {
        "TRAININGS": table(_HEADER, trainings),
        "PASSES": table(_HEADER, passes),
        "CARD": f"{said['card']}, {said['gib']:.1f} GiB, driver {said['driver']}, torch {said['torch']}",
        "CONTEXT": f"{said['context']:.2f}",
        "WITHIN": f"{sum(one <= 0.15 for one in off)} of {len(off)}",
        "FLOPS": f"{said['float32']['flops'] / 1e12:.0f} TFLOP/s, {said['float32']['share']:.0%}",
    }.items():
        page = page.replace(word, text)
    print(page.rstrip())


if __name__ == "__main__":
    main()
