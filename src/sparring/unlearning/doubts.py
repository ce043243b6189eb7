"""What an unlearning result does not show, and what to know of it, in sentences."""

from collections.abc import Mapping
from typing import Any

from sparring.feature_sets.doubts import FEWEST, MISMATCH
from sparring.words import interval

Result = Mapping[str, Any]


def doubts(result: Result) -> list[str]:
    """Why something is not claimed: nothing to ablate, nothing forgotten, the others as much, random sets as much."""
    plan, sizes = result["plan"], result["sizes"]
    if not any(of["held"] for of in sizes.values()):
        return [f"No latent is stronger in training texts of {plan['label']} than in the others: nothing is ablated."]
    found = []
    if (n := result["texts"]["test"]) < FEWEST:
        found.append(f"There are {n} test texts, fewer than {FEWEST}: intervals over them say little.")
    if silent := [size for size, of in sizes.items() if of["silent"] == of["held"]]:
        then = "their means are put there, no more" if plan["to"] == "mean" else "nothing is ablated there"
        found.append(f"No latent of the set fires in a test text at size {', '.join(silent)}: {then}.")
    reasons = (
        ("class", "set", f"The model does not predict texts of {plan['label']} worse"),
        ("selectivity", "set", "The side effect on the others is as large as the effect"),
        ("selectivity", "gap", "A random set forgets as much"),
    )
    named: set[str] = set()  # of a size the first reason is given
    for side, which, said in reasons:
        level = {
            size: of[side][which] for size, of in sizes.items() if size not in named and of[side][which]["ci95"][0] <= 0
        }
        if level:
            named |= set(level)
            found.append(f"{said} at size {_shown(level)}.")
    if unlike := [f"{size}: {of['rate_mismatch']:.2f}" for size, of in sizes.items() if of["rate_mismatch"] > MISMATCH]:
        said = "Random sets could not be matched: by so much firing rates differ on average"
        found.append(f"{said} at size {'; '.join(unlike)}.")
    return found


def notes(result: Result) -> list[str]:
    """The side effect, and what to know of the sets themselves."""
    arms, sizes, found = len(result["plan"]["arms"]), result["sizes"], []
    others = {size: of["others"]["set"] for size, of in sizes.items()}
    if moved := {size: one for size, one in others.items() if one["ci95"][0] > 0 or one["ci95"][1] < 0}:
        found.append(f"The other texts are not left alone at size {_shown(moved)}.")
    if short := [
        f"{of['held']} of {arms * int(n)} at size {n}" for n, of in sizes.items() if of["held"] < arms * int(n)
    ]:
        found.append(f"Fewer latents than that are stronger in the class: the set holds {'; '.join(short)}.")
    if silent := [f"{of['silent']} of {of['held']} at size {size}" for size, of in sizes.items() if of["silent"]]:
        found.append(f"Latents of the set that fire in no test text: {'; '.join(silent)}.")
    return found


def _shown(figures: Mapping[str, Result]) -> str:
    return "; ".join(f"{size}: {one['value']:+.3f} {interval(one['ci95'])}" for size, one in figures.items())
