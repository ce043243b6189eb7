"""What planted_truth.py found, as a figure and a table: one row, or column, a condition."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from sparring.drawing import STYLE, save_svg

WAYS = ("latent", "difference_of_means", "random")
Found = dict[str, Any]


def draw(found: dict[str, Found], svg: Path) -> None:
    """One row a condition: probing, feature sets, edges, steering."""
    with plt.rc_context(STYLE):
        figure, rows = plt.subplots(len(found), 4, figsize=(11, 5), layout="constrained", squeeze=False)
        for row, (condition, one) in zip(rows, found.items(), strict=True):
            measures = one["probing"]["measures"]
            names = {"sae_top_1": "one latent", "sae_all": "all latents", "residual_all": "all coordinates",
                     "bag_of_words": "bag of words"}  # fmt: skip
            intervals(row[0], {said: (measures[name]["macro"], measures[name]["ci95"]) for name, said in names.items()})
            sizes = one["feature_sets"]["sizes"]
            intervals(
                row[1],
                {f"{which}, {size}": (of[key]["value"], of[key]["ci95"]) for size, of in sizes.items()
                 for which, key in (("set", "set"), ("random", "random"))},
            )  # fmt: skip
            listed = one["edges"]["edges"]
            for claimed, colour in ((False, "#BBBBBB"), (True, "#0072B2")):
                some = [edge["effect"] for edge in listed if edge["found"] is claimed]
                row[2].scatter([e["attribution"] for e in some], [e["exact"] for e in some], s=6, color=colour)
            row[2].set_title(f"{one['edges']['found']} of {len(listed)} edges found", fontsize=8)
            row[2].set_xlabel("effect by attribution")
            row[2].set_ylabel("by ablation")
            grid = one["steering"]["grid"]
            for way in WAYS:
                row[3].plot(
                    [float(f) for f in grid[way]],
                    [of["success"] for of in grid[way].values()],
                    "o-",
                    ms=3,
                    label=way.replace("_", " "),
                )
            row[3].axhline(one["steering"]["baseline"]["success"], color="#888888", lw=0.8, ls="--")
            row[3].set_ylim(-0.03, 1.03)
            row[3].set_xlabel("factor, in RMS norms")
            row[3].set_title("steered text about sports", fontsize=8)
            row[0].set_ylabel(condition, fontsize=10)
            row[0].set_title("probes", fontsize=8)
            row[1].set_title("feature sets (latents)", fontsize=8)
        rows[0][3].legend(frameon=False, fontsize=7)
        save_svg(figure, svg)


def intervals(axes: Any, figures: dict[str, tuple[float, list[float]]]) -> None:
    """Accuracies with their intervals, the first on top, and chance."""
    for place, (value, (low, high)) in enumerate(figures.values()):
        axes.plot([low, high], [-place, -place], color="#0072B2", lw=1.2)
        axes.plot([value], [-place], "o", ms=4, color="#0072B2")
    axes.axvline(0.5, color="#888888", lw=0.8, ls="--")
    axes.set_xlim(0.3, 1.03)
    axes.set_yticks([-place for place in range(len(figures))], list(figures))


def table(found: dict[str, Found]) -> str:
    """The figures, condition by condition."""
    rows: dict[str, list[str]] = {}

    def add(name: str, said: str) -> None:
        rows.setdefault(name, []).append(said)

    for one in found.values():
        for name in ("sae_top_1", "sae_all", "residual_all", "bag_of_words"):
            of = one["probing"]["measures"][name]
            add(f"probing, {name}", figure(of, "macro"))
        for size, of in one["feature_sets"]["sizes"].items():
            add(f"feature set of {size}: accuracy", figure(of["set"]))
            add(f"feature set of {size}: gap to random sets", figure(of["gap"]))
        for size, of in one["feature_sets"]["faithfulness"]["errors_stay"]["sizes"].items():
            for name, key in (("faithfulness", "faithfulness"), ("faithfulness of random sets", "random")):
                add(f"feature set of {size}: {name}", figure(of[key]))
        graph = one["edges"]
        add("readout margin of the class", figure(graph["margin"]))
        add("edges found", f"{graph['found']} of {len(graph['edges'])}")
        rank = graph["check"]["strength"]["attribution"]["all"]["spearman"]
        add("attribution against ablation, Spearman", figure(rank))
        add("cosine of the latent's decoder row with the direction", f"{one['cosine']:.3f}")
        steering = one["steering"]
        add("unsteered success", f"{steering['baseline']['success']:.2f}")
        for name in ("latent - baseline", "random - baseline", "latent - random"):
            of = steering["differences"].get(name)
            add(f"steering, {name}", "no fluent factor" if of is None else figure(of))
        doubts = [*one["probing"]["doubts"], *one["feature_sets"]["doubts"], *graph["doubts"], *steering["degenerate"]]
        add("said in the results", " ".join(doubts) or "nothing")
    lines = ["| | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(each)} |" for name, each in rows.items())])


def figure(found: dict[str, Any] | None, name: str = "value") -> str:
    """A figure with its interval, or what of it there is."""
    if found is None or found[name] is None:
        return "none"
    ends = "" if found["ci95"] is None else f" [{found['ci95'][0]:.3f}, {found['ci95'][1]:.3f}]"
    return f"{found[name]:.3f}{ends}"
