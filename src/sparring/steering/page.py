"""A steering result on one page of Markdown: the headline, every concept, the prompts, some texts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sparring.words import interval, plain_interval, table

_NAMES = {"difference_of_means": "difference of means", "baseline": "unsteered"}


def steering_page(result: Mapping[str, Any], *, name: str, figure: str) -> str:
    """The page of `steer`'s result; `figure` is the figure's path relative to the page."""
    plan = result["plan"]
    parts = [
        f"# Steering: {name}",
        _verdict(result),
        f"![Success against fluency, and the concepts]({figure})",
        _headline(result["headline"]),
        _by_arm(result["by_arm"]),
        "## Concepts",
        f"A concept is a class with a coder. Success is on the {plan['samples'] // 2} samples that chose no factor, at "
        f"the factor (in units of the residual stream's RMS norm) chosen on the other {plan['samples'] // 2} among "
        f"those whose perplexity was at most {plan['ppl_cap']:g} times the unsteered text's.",
        _concepts(result["concepts"]),
        _left_out(result["concepts"]),
        "## Judge and prompts",
        "The judge was fitted on the task's test texts; its accuracy is on the training texts, which chose the "
        "directions. The prompts were scanned on samples of their own for the unsteered success nearest to 0.5.",
        _judge(result),
        "## Units",
        _units(result["units"]),
        "## Texts",
        *(_texts(one) for one in result["concepts"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def said(way: str) -> str:
    """A way of steering, or a difference of two, in words."""
    return " - ".join(_NAMES.get(one, one) for one in way.split(" - "))


def _verdict(result: Mapping[str, Any]) -> str:
    lines = [f"**{one}**" for one in result["degenerate"]]
    if over := result["headline"]:
        counted, out = over["concepts"], over["left_out"]
        lines.insert(0, f"Concepts that count: {counted}; degenerate and left out: {out}.")
    return "\n\n".join(lines)


def _headline(over: Mapping[str, Any] | None) -> str:
    if over is None:
        return ""
    lines = [
        "| difference of success | mean | 95% interval | by t | n | resampled |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, one in over["differences"].items():
        if one is None:
            lines.append(f"| {said(name)} | not measured | | | 0 | |")
            continue
        t = "" if one["ci95_t"] is None else interval(one["ci95_t"])
        lines.append(
            f"| {said(name)} | {one['value']:+.3f} | {interval(one['ci95'])} | {t} | {one['n']} | {one['resampled']} |"
        )
    base = over["baseline"]
    lines += ["", "| way | success | factor | perplexity ratio |", "| --- | ---: | ---: | ---: |"]
    lines.append(f"| unsteered | {_with(base['success'])} | | perplexity {base['ppl']['value']:.1f} |")
    for way, one in over["best"].items():
        if one["success"] is None:
            lines.append(f"| {said(way)} | no fluent factor | | |")
            continue
        factor, ratio = one["factor"]["value"], one["ppl_ratio"]["value"]
        lines.append(f"| {said(way)} | {_with(one['success'])} | {factor:.2f} | {ratio:.2f} |")
    return "\n".join(lines)


def _by_arm(arms: Mapping[str, Mapping[str, Any] | None]) -> str:
    """The latents of each coder alone."""
    header, rows = ["along", "difference of success", "mean", "95% interval", "by t", "n"], []
    for arm, differences in arms.items():
        for name, one in (differences or {}).items():
            if name.startswith("latent") and one is not None:
                t = "" if one["ci95_t"] is None else interval(one["ci95_t"])
                rows.append([arm, said(name), f"{one['value']:+.3f}", interval(one["ci95"]), t, str(one["n"])])
    return table(header, rows, words=2) if rows else ""


def _with(one: Mapping[str, Any]) -> str:
    return f"{one['value']:.3f}" + ("" if one["ci95"] is None else f" {plain_interval(one['ci95'])}")


def _concepts(concepts: Sequence[Mapping[str, Any]]) -> str:
    ways = list(concepts[0]["grid"])
    header, rows = ["class", "coder", "latent", "prompt", "unsteered", *map(said, ways)], []
    for one in concepts:
        head = [one["label"], one["arm"], str(one["latent"]), one["prompt"], f"{one['baseline']['success']:.2f}"]
        rows.append([*head, *(_at(one["best"].get(way)) for way in ways)])
    return table(header, rows, words=4)


def _at(best: Mapping[str, Any] | None) -> str:
    return "not fluent" if best is None else f"{best['success']:.2f} at {best['factor']:g}"


def _left_out(concepts: Iterable[Mapping[str, Any]]) -> str:
    lines = [
        f"- {one['label']} along {one['arm']}: {' '.join(one['degenerate'])}" for one in concepts if one["degenerate"]
    ]
    return "\n".join(["Left out:", "", *lines]) if lines else ""


def _judge(result: Mapping[str, Any]) -> str:
    prompts = result["plan"]["prompts"]
    header, rows = ["class", "judge's accuracy", *(f"after {one!r}" for one in prompts)], []
    for label, one in result["judge"].items():
        scan = result["prompt_scan"][label]
        accuracy = f"{one['accuracy']:.3f} {plain_interval(one['ci95'])}, n = {one['n']}"
        rows.append([label, accuracy, *(f"{scan[prompt]:.2f}" for prompt in prompts)])
    return table(header, rows)


def _units(units: Mapping[str, Mapping[str, float]]) -> str:
    header, rows = ["site", "RMS norm", "with massive activations", "share of positions that carry one"], []
    for site, one in units.items():
        rows.append([site, f"{one['unit']:.1f}", f"{one['rms_with_massive']:.1f}", f"{one['massive']:.2%}"])
    return table(header, rows)


def _texts(one: Mapping[str, Any]) -> str:
    header, rows = ["way", "factor", "texts"], []
    for way, texts in one["examples"].items():
        factor = f"{one['best'][way]['factor']:g}" if way in one["best"] else ""
        rows.append([said(way), factor, "<br>".join(_plain(text) for text in texts)])
    return f"### {one['label']} along {one['arm']}\n\nAfter {one['prompt']!r}:\n\n{table(header, rows, words=3)}"


def _plain(text: str) -> str:
    """A text that cannot break a table or bring in markup."""
    kept = "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))
    for sign in "\\`*_{}[]<>#|$":
        kept = kept.replace(sign, f"&#{ord(sign)};")
    return kept
