"""What a feature-set result does not show, and what to know of it, in sentences."""

from collections.abc import Mapping
from typing import Any

from sparring.words import interval, plain_interval

FEWEST = 20  # test texts below which an interval over them says little
MISMATCH = 0.1  # of firing rate
_SAID = {"errors_stay": "errors staying", "errors_ablated": "errors ablated"}
Result = Mapping[str, Any]


def doubts(result: Result) -> list[str]:
    """Why something is not claimed: no probe that tells the class, no gap to random sets, nothing to be faithful to."""
    sizes, found = result["sizes"], []
    if (n := result["examples"]["test"]) < FEWEST:
        found.append(f"There are {n} test texts, fewer than {FEWEST}: intervals over them say little.")
    if not result["varies"]:
        found.append("No latent differs between the class's training texts and the others': the sets are arbitrary.")
    if result["ceiling"]["ci95"][0] <= 0.5:
        found.append(f"A probe on all latents does not tell the class: accuracy {_accuracy(result['ceiling'])}.")
    if weak := [size for size, of in sizes.items() if of["set"]["ci95"][0] <= 0.5]:
        shown = "; ".join(f"{size}: {_accuracy(sizes[size]['set'])}" for size in weak)
        found.append(f"A probe on the set does not tell the class at size {shown}.")
    if level := [size for size, of in sizes.items() if of["gap"]["ci95"][0] <= 0]:
        shown = "; ".join(
            f"{size}: {sizes[size]['gap']['value']:+.3f} {interval(sizes[size]['gap']['ci95'])}" for size in level
        )
        found.append(f"The set does not beat random sets at size {shown}: nothing is claimed for it.")
    if unlike := [size for size, of in sizes.items() if of["random"]["rate_mismatch"] > MISMATCH]:
        shown = "; ".join(f"{size}: {sizes[size]['random']['rate_mismatch']:.2f}" for size in unlike)
        found.append(f"Random sets could not be matched: by so much firing rates differ on average at size {shown}.")
    return found + _not_faithful(result["faithfulness"])


def notes(result: Result) -> list[str]:
    """What to know of the sets themselves."""
    dead = {size: of["dead"] for size, of in result["sizes"].items() if of["dead"]}
    if not dead:
        return []
    shown = "; ".join(f"{count} of {_total(result['sizes'][size])} at size {size}" for size, count in dead.items())
    return [f"Fewer latents fire than the set holds: {shown} fire in no training text."]


def _not_faithful(of: Result) -> list[str]:
    if of["accuracy"]["ci95"][0] <= 0.5:
        said = f"The readout at {of['site']} does not tell the class ({_accuracy(of['accuracy'])})"
        return [f"{said}: there is nothing to be faithful to."]
    found = []
    for switch, said in _SAID.items():
        effect = of[switch]["effect"]
        if effect["ci95"][0] <= 0:
            found.append(
                f"With {said}, holding every latent at its mean does not lower the readout's margin "
                f"({effect['value']:+.3f} {interval(effect['ci95'])}): there is nothing to be faithful to."
            )
        elif level := [size for size, one in of[switch]["sizes"].items() if one["gap"]["ci95"][0] <= 0]:
            found.append(f"With {said}, the set is not more faithful than random sets at size {', '.join(level)}.")
    return found


def _accuracy(figure: Result) -> str:
    return f"{figure['value']:.3f} {plain_interval(figure['ci95'])}"


def _total(of: Result) -> int:
    return sum(map(len, of["latents"].values()))
