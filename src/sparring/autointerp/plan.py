"""What the auto-interp stages are asked to do: frozen plans, part of each artifact's identity. No torch here."""

from dataclasses import dataclass

from sparring.errors import SparringError


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
        for name in ("latents", "strata", "window", "positives", "negatives"):
            if getattr(self, name) < 1:
                raise SparringError(f"draw.{name} is {getattr(self, name)}: it must be at least 1")
        for name in ("explainer_share", "upper"):
            if not 0 < getattr(self, name) <= 1:
                raise SparringError(f"draw.{name} is {getattr(self, name)}: it must lie in (0, 1]")
        if self.strata > self.latents:
            raise SparringError(
                f"draw.strata is {self.strata}, more than draw.latents = {self.latents}: use fewer strata"
            )


@dataclass(frozen=True)
class ExplainPlan:
    """What an explanation holds: a token list and marked contexts, both read off the pool's firing windows."""

    tokens: int = 20
    """Token strings in the list, by share of the latent's activation they carry."""
    contexts: int = 10
    """Firing tokens shown in context."""
    context: int = 12
    """Tokens of left context shown with each of them."""


@dataclass(frozen=True)
class ScorePlan:
    """How explanations are judged."""

    metrics: tuple[str, ...] = ("detection", "fuzz")
    explanations: tuple[str, ...] = ("real", "shuffled", "oracle")
    batch: int = 64
    """Texts embedded together."""
    seed: int = 0
