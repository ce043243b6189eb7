"""What the auto-interp stages are asked to do: frozen plans, part of each artifact's identity. No torch here.

The defaults are those chosen in docs/decisions/0004-instrument-tuning.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from sparring.errors import SparringError
from sparring.testplan import METRICS

EXPLANATIONS = ("real", "shuffled", "empty", "oracle")
BAG_OF_WORDS = "bag of words"  # stands where a kind of explanation stands, and is none


@dataclass(frozen=True)
class DrawPlan:
    """Which latents are judged, on which windows; shared by every later stage through the draw's JSON."""

    latents: int = 120
    """Latents drawn from each arm."""
    strata: int = 5
    """Quantile strata of log firing rate over the eligible latents; each gives its share of the draw."""
    window: int = 32
    """Tokens in a window; windows do not overlap and do not cross sequences."""
    explainer_share: float = 0.5
    """Share of the documents whose text the explainer may read; the others are the scorer's."""
    positives: int = 20
    """Firing windows judged for each latent; a latent with fewer in either pool is "too rare"."""
    negatives: int = 20
    """Silent windows judged for each latent; a latent with fewer in the scorer pool is "dense"."""
    upper: float = 1.0
    """Share of a latent's firing windows, strongest first, that positives are taken from (1: the whole range)."""
    seed: int = 0

    def __post_init__(self) -> None:
        _at_least_one(self, "draw", "latents", "strata", "window", "positives", "negatives")
        _share(self, "draw", "upper")
        if not 0 < self.explainer_share < 1:
            raise SparringError(f"draw.explainer_share is {self.explainer_share}: it must lie between 0 and 1")
        if self.strata > self.latents:
            raise SparringError(f"draw.strata is {self.strata}, over draw.latents = {self.latents}: use fewer strata")


@dataclass(frozen=True)
class WindowsPlan:
    """Which windows are embedded, and how: the values of the draw and of the scorer that decide it, and no others."""

    window: int
    explainer_share: float
    seed: int
    """Of the draw: it decides which documents are the scorer's."""
    layer: int
    batch: int


@dataclass(frozen=True)
class ExplainPlan:
    """What an explanation holds: a token list and marked contexts, both read off one pool's firings."""

    tokens: int = 20
    """Token strings in the list."""
    contexts: int = 10
    """Firing tokens shown in context, each from another document."""
    context: int = 12
    """Tokens of left context shown with each of them."""
    upper: float = 0.7
    """Share of the firings, strongest first, over which the contexts are spread."""

    def __post_init__(self) -> None:
        _at_least_one(self, "explain", "tokens", "contexts", "context")
        _share(self, "explain", "upper")


@dataclass(frozen=True)
class ScorePlan:
    """How explanations are judged; the fields of the embedding scorer are explained in autointerp/scorers."""

    metrics: tuple[str, ...] = METRICS
    explanations: tuple[str, ...] = EXPLANATIONS
    layer: int = 2
    """Layer of the embedding model whose hidden states are compared."""
    sharpness: float = 14.0
    """How fast similarity falls with the cosine: exp(sharpness * (cosine - 1))."""
    weight: float = 5.0
    """What similarity to the contexts weighs beside the token list."""
    batch: int = 64
    """Texts embedded together."""
    seed: int = 0

    def __post_init__(self) -> None:
        _at_least_one(self, "score", "layer", "batch")
        _some_of(self, "score", metrics=METRICS, explanations=EXPLANATIONS)


@dataclass(frozen=True)
class AskPlan:
    """How a language model judges explanations; what it reads is in autointerp/prompts.py."""

    metrics: tuple[str, ...] = METRICS
    explanations: tuple[str, ...] = EXPLANATIONS
    form: Literal["yes/no", "list"] = "yes/no"
    """yes/no: one example a question, scored by the log-probabilities; list: several, answered by 0s and 1s."""
    listed: int = 5
    """Examples in a question of the form "list"."""
    tokens: int = 10
    """Of a token list, how many tokens it is shown."""
    contexts: int = 3
    """And how many contexts; none in detection by yes/no, where only words are sought (autointerp/prompts.py)."""
    checked: int = 200
    """Latents of an arm, drawn by seed, on which the shuffled, empty and oracle explanations are judged too."""
    seed: int = 0

    def __post_init__(self) -> None:
        _at_least_one(self, "llm.ask", "listed", "tokens", "checked")
        _some_of(self, "llm.ask", metrics=METRICS, explanations=EXPLANATIONS)
        if self.contexts < 0:
            raise SparringError(f"llm.ask.contexts is {self.contexts}: it must be at least 0")


@dataclass(frozen=True)
class DescribePlan:
    """How a language model explains: by delphi's prompt, from firing windows of the explainer's documents."""

    examples: int = 10
    """Windows shown, one from each quantile of their peak activation."""
    max_tokens: int = 100
    """Of the answer."""

    def __post_init__(self) -> None:
        _at_least_one(self, "llm.describe", "examples", "max_tokens")


@dataclass(frozen=True)
class DelphiPlan:
    """Delphi's own settings; the defaults are those of delphi 0.1.3."""

    n_examples_train: int = 40
    n_examples_test: int = 50
    n_quantiles: int = 10
    n_non_activating: int = 50
    min_examples: int = 200
    n_examples_shown: int = 5
    max_tokens: int = 500
    checked: int = 200
    """Latents of an arm, drawn by seed, on which the shuffled, empty and oracle explanations are judged too."""
    explanations: tuple[str, ...] = EXPLANATIONS
    seed: int = 0

    def __post_init__(self) -> None:
        whole = [field.name for field in fields(self) if field.name not in ("explanations", "seed")]
        _at_least_one(self, "llm.delphi", *whole)
        _some_of(self, "llm.delphi", explanations=EXPLANATIONS)
        for name in ("n_examples_train", "n_examples_test"):
            if getattr(self, name) < self.n_quantiles:
                raise SparringError(
                    f"llm.delphi.{name} is {getattr(self, name)}, under n_quantiles = {self.n_quantiles}: delphi takes "
                    "as many from each quantile, so it would take none"
                )


def draw_plan_of(draw: Mapping[str, Any]) -> DrawPlan:
    """The plan a draw was made by."""
    return DrawPlan(**{field.name: draw["plan"][field.name] for field in fields(DrawPlan)})


def _at_least_one(plan: object, section: str, *names: str) -> None:
    for name in names:
        if getattr(plan, name) < 1:
            raise SparringError(f"{section}.{name} is {getattr(plan, name)}: it must be at least 1")


def _share(plan: object, section: str, name: str) -> None:
    if not 0 < getattr(plan, name) <= 1:
        raise SparringError(f"{section}.{name} is {getattr(plan, name)}: it must lie above 0, up to 1")


def _some_of(plan: object, section: str, **known: tuple[str, ...]) -> None:
    for name, names in known.items():
        values = getattr(plan, name)
        if not values or len(set(values)) < len(values) or not set(values) <= set(names):
            raise SparringError(f"{section}.{name} is {list(values)}: give some of {', '.join(names)}, each once")
