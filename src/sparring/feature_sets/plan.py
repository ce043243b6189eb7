"""Which latents make a feature set, and what it is held against. Light: a study is read at each parse."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from sparring.errors import SparringError
from sparring.sites import PLACES, parse_site

_FURTHER = 4  # blocks between the deepest coder and the readout, where no arm of the study lies deeper


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SetsPlan:
    """Sets of latents of some coders, for one class of a task: what every study of such sets says."""

    key: ClassVar[str]
    """Of the study."""
    task: str
    label: str
    """The class that is told from the others."""
    arms: Annotated[list[str], Field(min_length=1)]
    """The coders, in order of depth: the set is the union of as many latents of each."""
    sizes: list[Annotated[int, Field(ge=1)]] = field(default_factory=lambda: [5, 20, 50])
    """Latents of each coder."""
    random_sets: Annotated[int, Field(ge=1)] = 5
    """Random sets, matched on firing rate latent by latent."""
    resamples: Annotated[int, Field(ge=1)] = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        if len(set(self.arms)) < len(self.arms):
            raise SparringError(f"{self.key}: arms {self.arms}; name each coder once")
        if not self.sizes or len(set(self.sizes)) < len(self.sizes):
            raise SparringError(f"{self.key}: sizes {self.sizes}; name at least one, each once")

    def own_sites(self, written: Mapping[str, str]) -> list[str]:
        """Where the coders write, of {arm: its write site}. Raises SparringError for two that write one site."""
        mine = [written[arm] for arm in self.arms]
        if len(set(mine)) < len(mine):
            raise SparringError(f"arms {', '.join(self.arms)}: two write one site; a set takes one coder for a site")
        return mine


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FeatureSetPlan(SetsPlan):
    """The strongest latents of some coders for one class, against random sets, and what is faithful with them alone."""

    key: ClassVar[str] = "feature_sets"
    sizes: list[Annotated[int, Field(ge=1)]] = field(default_factory=lambda: [5, 10, 20, 50])
    random_sets: Annotated[int, Field(ge=1)] = 100
    readout: str | None = None
    """The site whose probe a set has to be faithful to; None: see `readout_of`."""
    faithful_texts: Annotated[int, Field(ge=4)] = 48
    """At most so many test texts, half of them of the class, are run under ablations."""
    random_faithful: Annotated[int, Field(ge=1)] = 5
    """Of the random sets, so many are run under ablations."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.random_faithful > self.random_sets:
            raise SparringError(
                f"feature_sets: random_faithful {self.random_faithful} of {self.random_sets} random_sets; lower it"
            )


def depth(site: str) -> tuple[int, int]:
    """The place of a site in the order in which the model comes to them."""
    parsed = parse_site(site)
    return parsed.layer, PLACES.index(parsed.place)


def readout_of(plan: FeatureSetPlan, written: Mapping[str, str], layers: int) -> str:
    """The site where faithfulness is read off: the plan's own; else where the deepest arm of the study writes, if that
    is later than the set; else what leaves the fourth block after it, or the last. written: {arm: its write site}.

    Raises SparringError for a plan whose coders write one site, or a readout that is not later than all of them.
    """
    end = max(plan.own_sites(written), key=depth)
    deepest = max(written.values(), key=depth)
    last = min(depth(end)[0] + _FURTHER, layers - 1)
    site = plan.readout or (deepest if depth(deepest) > depth(end) else f"layers.{last}.resid_post")
    if depth(site) <= depth(end):
        raise SparringError(f"readout: {site!r} is not later than {end!r}, which the set writes; name a later site")
    return site
