"""How the difference of two arms is tested, fixed before any score exists. Light: a study is read at each parse."""

from dataclasses import dataclass

from sparring.errors import SparringError

METRICS = ("detection", "fuzz")


@dataclass(frozen=True)
class TestPlan:
    """The plan of the test; the defaults are those of the published study."""

    __test__ = False  # pytest: this is no test class

    resamples: int = 10_000
    """Bootstrap resamples, and random relabellings of the permutation test."""
    seed: int = 0
    primary: str = "detection"
    """The metric that decides; the other is reported beside it."""
    family: tuple[str, ...] = METRICS
    """The metrics whose p are adjusted together (Benjamini and Hochberg), declared before a score exists."""
    sites_may_differ: bool = False
    """True declares that the arms write different sites, as in the published study; else that is "not comparable"."""
    hypotheses: tuple[str, ...] = ()
    """What is expected, in words, for the registration."""
    caliper: float = 0.25
    """Pairs matched by firing rate: the largest distance of their rates, in natural-log units."""

    def __post_init__(self) -> None:
        if self.primary not in METRICS:
            raise SparringError(f"test.primary is {self.primary!r}: it must be one of {', '.join(METRICS)}")
        if not set(self.family) <= set(METRICS) or len(set(self.family)) < len(self.family):
            raise SparringError(f"test.family is {list(self.family)}: give some of {', '.join(METRICS)}, each once")
        if self.primary not in self.family:
            raise SparringError(f"test.family is {list(self.family)}: it must hold test.primary, {self.primary}")
        if self.resamples < 1:
            raise SparringError(f"test.resamples is {self.resamples}: it must be at least 1; 10000 is usual")
        if self.caliper <= 0:
            raise SparringError(f"test.caliper is {self.caliper}: it must be above 0; 0.25 is usual")
