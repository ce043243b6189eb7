"""Do two scorers agree on the same latents, with the same explanations and examples? Paired, latent by latent."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from sparring.canonical import rounded
from sparring.drawing import STYLE, save_svg
from sparring.perlatent import ArmScores, paired, table_reliability
from sparring.stats.bootstrap import Vector, bootstrap_mean
from sparring.stats.rank_correlation import rank_correlation
from sparring.testplan import METRICS, TestPlan
from sparring.words import interval

FORMAT = "sparring.agreement/1"
_COLOURS = ("#0072B2", "#D55E00")
Pair = tuple[Vector, Vector]


def agreement(
    first: Mapping[str, ArmScores], second: Mapping[str, ArmScores], *, names: tuple[str, str], plan: TestPlan
) -> dict[str, Any]:
    """The result as JSON values: for each metric, by arm and pooled, what `_of_pairs` gives; and `most`.

    Ranks are taken within each arm: a difference between the arms, which both scorers may see, is no agreement on
    latents. `most` is the largest correlation that scorers of these reliabilities can show, the root of their product.
    """
    found = {}
    for metric in METRICS:
        pairs = _pairs(first, second, metric)
        reliable = [
            table_reliability([arm.table(metric, "real") for arm in scores.values()]) for scores in (first, second)
        ]
        known = [value for value in reliable if value is not None]
        found[metric] = {
            **{arm: _of_pairs([pair], plan) for arm, pair in pairs.items()},
            "pooled": _of_pairs(list(pairs.values()), plan),
            "reliability": dict(zip(names, reliable, strict=True)),
            "most": float(np.sqrt(known[0] * known[1])) if len(known) == 2 else None,
        }
    head = {"format": FORMAT, "scorers": list(names), "diff_is": f"{names[1]} - {names[0]}"}
    return head | {"metrics": rounded(found)}


def _pairs(first: Mapping[str, ArmScores], second: Mapping[str, ArmScores], metric: str) -> dict[str, Pair]:
    return {arm: paired(first[arm].table(metric, "real"), second[arm].table(metric, "real")) for arm in first}


def _of_pairs(pairs: list[Pair], plan: TestPlan) -> dict[str, Any] | None:
    """{"n", "spearman", "spearman_ci95", "diff", "diff_ci95"}: the difference is paired, second - first."""
    correlated = rank_correlation(pairs, resamples=plan.resamples, seed=plan.seed)
    if correlated is None:
        return None
    diff = bootstrap_mean(np.concatenate([b - a for a, b in pairs]), resamples=plan.resamples, seed=plan.seed)
    return {
        "n": sum(len(a) for a, _ in pairs),
        "spearman": correlated[0],
        "spearman_ci95": list(correlated[1]),
        "diff": diff.estimate,
        "diff_ci95": list(diff.ci),
    }


def agreement_page(result: Mapping[str, Any], *, figure: str) -> str:
    """One page of Markdown."""
    first, second = result["scorers"]
    lines = [
        "# Do two scorers agree?",
        "",
        f"The same latents, explanations and examples, judged by {first} and by {second}. Spearman's rank correlation",
        "over latents, ranks within each arm, and the mean difference of AUROC, paired by latent; 95% intervals over",
        "latents. The last column: what scorers of these reliabilities could correlate at most, were their noise",
        "their own; they read the same examples, so part of it is shared.",
        "",
        f"| | latents | rank correlation | {result['diff_is']} | reliability | at most |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for metric, found in result["metrics"].items():
        reliable = ", ".join(f"{'?' if v is None else format(v, '.2f')}" for v in found["reliability"].values())
        most = "" if found["most"] is None else f"{found['most']:.2f}"
        for name, one in found.items():
            if name in ("reliability", "most"):
                continue
            ends = [reliable, most] if name == "pooled" else ["", ""]
            cells = ["", "", ""] if one is None else [str(one["n"]), _said(one, "spearman"), _said(one, "diff")]
            lines.append(f"| {metric}, {name} | {' | '.join([*cells, *ends])} |")
    return "\n".join([*lines, "", f"![The latents' scores by both scorers]({figure})", ""])


def _said(found: Mapping[str, Any], name: str) -> str:
    return f"{found[name]:+.3f} {interval(found[f'{name}_ci95'])}"


def draw_agreement(
    first: Mapping[str, ArmScores], second: Mapping[str, ArmScores], *, names: tuple[str, str], svg: Path
) -> None:
    """A scatter plot for each metric: a point a latent, its AUROC by one scorer against the other's."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, len(METRICS), figsize=(6.4, 3.2), layout="constrained")
        for axis, metric in zip(axes, METRICS, strict=True):
            for colour, (arm, (a, b)) in zip(_COLOURS, _pairs(first, second, metric).items(), strict=True):
                axis.plot(a, b, "o", color=colour, markersize=3.5, alpha=0.7, label=arm)
            axis.axhline(0.5, color="#999999", linewidth=0.6)
            axis.axvline(0.5, color="#999999", linewidth=0.6)
            axis.set(title=metric, xlabel=f"AUROC by {names[0]}", ylabel=f"AUROC by {names[1]}")
            axis.set_aspect("equal", adjustable="datalim")
        axes[0].legend(frameon=False)
        save_svg(figure, svg)
