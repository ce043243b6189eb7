"""What the figures of probes say, and what makes them doubtful, as sentences.

A doubt touches the headline, the probe on all latents: it or the texts that it rests on cannot be trusted, or a control
does as well. A note says the same of the other probes, or is worth knowing.
"""

from collections.abc import Mapping
from typing import Any

from sparring.words import interval, plain_interval

HEADLINE = "sae_all"
CHANCE = 0.5
_NAMES = {
    "sae_all": "the probe on all latents",
    "residual_all": "the probe on all coordinates of the read site",
    "difference_of_means": "the probe along the difference of means",
    "logistic_direction": "the probe along the logistic direction",
    "bag_of_words": "the bag of words",
}


def name_of(measure: str) -> str:
    """A measure as it stands in a sentence."""
    if "_top_" not in measure:
        return _NAMES[measure]
    kind, k = measure.split("_top_")
    what = {"sae": "latent", "residual": "coordinate"}[kind]
    return f"the probe on {'the best ' + what if k == '1' else f'the {k} best {what}s'}"


def at_chance(figures: Mapping[str, Any]) -> dict[str, list[str]]:
    """{measure: sentences}: the classes that the latents' probes cannot tell from the others, and the mean of all."""
    found = {}
    for measure, of in figures.items():
        if not measure.startswith("sae_"):
            continue
        classes = [
            f"{label} ({one['accuracy']:.2f} {_short(one['ci95'])})"
            for label, one in of["classes"].items()
            if one["chance"]
        ]
        name = _capital(name_of(measure))
        said = [f"{name} cannot tell these classes from the others: {', '.join(classes)}."] if classes else []
        if of["ci95"][0] <= CHANCE:
            said.append(f"{name} is at chance over all classes: {_macro(of)}.")
        found[measure] = said
    return found


def against(arm: str, control: str, what: str, pairs: Mapping[str, Any]) -> dict[str, list[str]]:
    """{measure: a sentence} where the control, which is `what`, does as well as the arm or better."""
    found = {}
    for measure, of in pairs.items():
        low, high = of["ci95"]
        if low > 0:
            continue
        does = "cannot be told from" if of["control"] < of["arm"] else "does as well as"
        if high < 0:
            does = "does better than"
        sentence = (
            f"{_capital(name_of(measure))} of the control {control} ({what}) {does} that of {arm}: "
            f"{of['control']:.3f} against {of['arm']:.3f}, difference {of['difference']:+.3f} {interval(of['ci95'])}"
            + ("; both are right about every text." if of["arm"] == of["control"] == 1 else ".")
        )
        found[measure] = [sentence]
    return found


def tokens_alone(figures: Mapping[str, Any], differences: Mapping[str, Any]) -> list[str]:
    """Whether the headline is more than the tokens of a text tell."""
    of = differences[f"{HEADLINE} - bag_of_words"]
    if of["ci95"][0] > 0:
        return []
    return [
        f"A bag of words does as well as {name_of(HEADLINE)}: {_macro(figures['bag_of_words'])} against "
        f"{_macro(figures[HEADLINE])}; what it reads may be the tokens alone."
    ]


def _macro(of: Mapping[str, Any]) -> str:
    return f"{of['macro']:.3f} {plain_interval(of['ci95'])}"


def _short(ci: list[float]) -> str:
    return f"[{ci[0]:.2f}, {ci[1]:.2f}]"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
