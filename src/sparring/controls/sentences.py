"""Where a control scores as high as the coder that it stands against, in words."""

from collections.abc import Mapping
from typing import Any

from sparring.words import interval

WORDS = {
    "ve": "variance explained",
    "ce_recovered": "cross-entropy recovered",
    "l0": "L0",
    "dead_fraction": "dead latents",
    "detection": "detection",
    "detection_shuffled": "detection, explanations shuffled",
    "fuzz": "fuzz",
    "fuzz_shuffled": "fuzz, explanations shuffled",
    "bag_of_words": "bag of words, detection",
    "token_entropy": "entropy of a latent's tokens, bits",
}
SCORES = ("ve", "ce_recovered", "detection", "fuzz")
"""The figures of which more is better; the others stand beside them."""


def of_what(control: Mapping[str, Any]) -> str:
    """What a twin is of or with, in words."""
    if control["decoder"] is not None:
        return "with a decoder left at random"
    if control["model"] == "iid_embeddings":
        return "of a model in which no token is the same twice"
    return "of a randomised model" if control["embeddings"] is not False else "of a model random but for its embeddings"


def as_high(name: str, metric: Mapping[str, Any], *, coder: str, twin: str, control: Mapping[str, Any]) -> str | None:
    """The sentence on a score that the twin reaches: the interval of trained - random includes 0, or lies below it."""
    if metric.get("ci95") is None or metric["ci95"][0] > 0:
        return None
    above, learned, trained = metric["ci95"][1] < 0, "what the model learned", "of the trained model"
    if control["decoder"] is not None:
        learned, trained = "what training the decoder adds", "with a trained one"
    who, does, those = ("latents", "score", "those") if metric["unit"] == "latents" else ("a coder", "does", "that")
    figures = [
        f"{twin} {metric['random']['value']:.3f}",
        f"{coder} {metric['trained']['value']:.3f}",
        f"trained - random {metric['diff']:+.3f} {interval(metric['ci95'])}",
    ]
    if not above and "mde" in metric:
        figures.append(f"{metric['mde']:.3f} would have been found with 80% power")
    reach = "higher than" if above else "as high as"
    if metric["unit"] != "latents":
        reach = "better than" if above else "as well as"
    sure = "" if above else ", as far as this study can tell"
    return (
        f"In {WORDS[name]}, {who} {of_what(control)} {does} {reach} {those} {trained}{sure} ({'; '.join(figures)}): "
        f"this score says little about {learned}."
    )
