"""Trained against random on one page of Markdown: a table for each coder and control, and what it says."""

from collections.abc import Mapping
from typing import Any

from sparring.controls.sentences import SCORES, WORDS, of_what
from sparring.words import interval, plain_interval, table

Result = Mapping[str, Any]


def controls_page(result: Result, *, figure: str) -> str:
    """The page of a result of controls.compare. `figure` is the figure's path relative to the page."""
    lines = [
        "# Trained against random",
        "",
        "Each coder beside its twin: trained by the same recipe on as many rows of the same tokens, of a model that",
        "learned nothing, or with a decoder that does not learn. A score that the twin reaches says little about what",
        "was learned. AUROC is a mean over latents. Intervals: 95%, over latents, of reconstruction over documents, of",
        "probes over the texts they are tested on, by pairs. A bag of words of a latent is a probe of its own, trained",
        "to tell its windows by the tokens they hold.",
        "",
        controls_section(result, level="##"),
        "",
        f"![Each figure of the coders and of their twins, with its interval]({figure})",
        "",
    ]
    return "\n".join(lines)


def controls_section(result: Result, *, level: str = "###") -> str:
    """The sentences and the tables alone, for another page; headings begin with `level`."""
    parts = ["\n".join(f"- **{sentence}**" for sentence in result["sentences"])]
    if not result["sentences"]:
        parts = [
            "In every score compared, each coder is above its twins: all intervals of trained - random lie above 0."
        ]
    if _unmeasured(result):
        parts.append("\n".join(f"- {said}" for said in _unmeasured(result)))
    for coder, twins in result["coders"].items():
        for control, found in twins.items():
            parts.append(f"{level} {coder} against {found['twin']}, {of_what(result['controls'][control])}")
            parts.append(_table(found["metrics"]))
    if result["refused"]:
        parts.append("\n".join(f"- No twin {why}." for why in result["refused"].values()))
    return "\n\n".join(parts)


def _unmeasured(result: Result) -> list[str]:
    return [
        f"{coder} against {found['twin']}, {WORDS.get(name, name)}: {why}."
        for coder, twins in result["coders"].items()
        for found in twins.values()
        for name, metric in found["metrics"].items()
        if (why := _why_not(name, metric))
    ]


def _why_not(name: str, metric: Mapping[str, Any]) -> str | None:
    """Why nothing is said of a figure, if so."""
    if "not_measured" in metric:
        return f"not measured, {metric['not_measured']}"
    if name not in SCORES or metric["ci95"] is not None:
        return None
    lacking = [side for side in ("trained", "random") if metric[side]["ci95"] is None]
    return f"not compared, {' and '.join(lacking)} has no interval: in some resamples it has no value"


def _table(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name in [*WORDS, *(name for name in metrics if name not in WORDS)]:  # read from a file they have other orders
        metric = metrics[name]
        ends = ["", "not measured"]
        if "not_measured" not in metric:
            ends = [_number(name, metric["diff"], "+"), "" if metric["ci95"] is None else interval(metric["ci95"])]
        sides = [_side(name, metric.get(side)) for side in ("trained", "random")]
        rows.append([WORDS.get(name, name), *sides, *ends])
    return table(["", "trained", "random", "trained - random", "95% interval"], rows)


def _side(name: str, side: Mapping[str, Any] | None) -> str:
    if side is None or side["value"] is None:
        return ""
    ends = "" if side["ci95"] is None else f" {plain_interval(side['ci95'])}"
    return f"{_number(name, side['value'])}{ends}" + (f" (n {side['n']})" if "n" in side else "")


def _number(name: str, value: float, sign: str = "") -> str:
    return format(value, {"l0": f"{sign}.1f", "dead_fraction": f"{sign}.1%"}.get(name, f"{sign}.3f"))
