"""Unlearning on one page: what ablating a class's latents costs its texts, the others, and random sets' ablation."""

from collections.abc import Mapping
from typing import Any

from sparring.words import interval, plain_interval, table

Result = Mapping[str, Any]
SIZE = "latents of each coder"
_TO = {
    "mean": "held at its mean over the training texts' tokens",
    "zero": "put to 0",
    "negative": "put to -{scale:g} times what it is",
}
_SIDES = {"class": "texts of {label}", "others": "other texts (side effect)", "selectivity": "selectivity"}


def unlearning_page(result: Result, *, name: str, figure: str) -> str:
    """One page of Markdown of the stage's result. figure: its path relative to the page."""
    plan, clean = result["plan"], result["clean"]
    said = [*result["doubts"], *result["notes"]] or ["Nothing is in doubt."]
    parts = [
        f"# Unlearning {name}: {plan['label']} by {', '.join(plan['arms'])}",
        f"**{sentence(result)}**",
        "\n".join(f"- {one}" for one in said),
        f"![Delta CE by the size of the set, of the class and of the others]({figure})",
        "## What is forgotten",
        f"Delta CE: what the next tokens of a text cost more than in the model as it is, in nats a token, mean over "
        f"texts; {clean['class']['n']} test texts of {plan['label']}, {clean['others']['n']} others. Each latent of "
        f"the set is {how(plan)}; errors stay. In the model as it is the texts cost {_plain(clean['class'])} and "
        f"{_plain(clean['others'])}. Selectivity: the class minus the others. Random: the mean of "
        f"{plan['random_sets']} sets matched on firing rate; gap: the set minus that. Intervals: 95%, over texts, and "
        "over sets where they are random.",
        _effects(result),
        "## The latents",
        "\n".join(f"- {arm}: {', '.join(map(str, some)) or 'none'}" for arm, some in _largest(result).items()),
    ]
    return "\n\n".join(parts) + "\n"


def sentence(result: Result) -> str:
    """The result in a sentence."""
    label, sizes = result["plan"]["label"], result["sizes"]
    at = [
        f"{size} ({of['class']['set']['value']:+.3f}, the others {of['others']['set']['value']:+.3f} nats a token)"
        for size, of in sizes.items()
        if of["selective"]
    ]
    if at:
        return f"{label} is forgotten beyond the side effect, and beyond random sets, at size {', '.join(at)}."
    return f"At no size is {label} forgotten beyond the side effect and beyond random sets."


def how(plan: Result) -> str:
    """What is done to a latent."""
    return _TO[plan["to"]].format(scale=plan["scale"])


def _effects(result: Result) -> str:
    rows = [
        [
            said.format(**result["plan"]),
            size,
            *(_signed(of[side][which]) for which in ("set", "random", "gap")),
            f"{of[side]['random']['sd_over_sets']:.3f}",
        ]
        for side, said in _SIDES.items()
        for size, of in result["sizes"].items()
    ]
    return table(["delta CE", SIZE, "the set", "random", "gap", "sd over sets"], rows)


def _plain(figure: Result) -> str:
    return f"{figure['value']:.3f} {plain_interval(figure['ci95'])}"


def _signed(figure: Result) -> str:
    return f"{figure['value']:+.3f} {interval(figure['ci95'])}"


def _largest(result: Result) -> Mapping[str, list[int]]:
    found: Mapping[str, list[int]] = max(result["sizes"].values(), key=lambda one: one["held"])["latents"]
    return found
