"""Which edges between latents are looked for, and how they are tried. Light: a study is read at each parse."""

import itertools
from collections.abc import Sequence
from dataclasses import field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from sparring.coders.recipe import Arm
from sparring.errors import SparringError
from sparring.sites import depth, parse_site


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class EdgesPlan:
    """Attribution patching between the latents of coders at several depths, checked by ablation."""

    task: str
    label: str
    """The class that is told from the others at the readout."""
    arms: Annotated[list[str], Field(min_length=2)]
    """The coders, in order of depth."""
    readout: str
    """The site, behind the last coder, where the class is read off by a fixed linear readout."""
    nodes: Annotated[int, Field(ge=1)] = 20
    """Latents of each coder: those with the largest effect on the readout."""
    texts: Annotated[int, Field(ge=8)] = 48
    """Test texts that edges are measured on; one half ranks them, the other tries the pruned graph."""
    train_texts: Annotated[int, Field(ge=8)] = 200
    """Training texts that the readout is fitted on; nodes are chosen on the first `texts` of them."""
    ig_steps: Annotated[int, Field(ge=1)] = 1
    """1: gradients of the model as it is; more: their mean on the way to all nodes at their means."""
    others: Literal["stay", "mean"] = "mean"
    """Latents that are no nodes, in the pruned graph: as in the clean model, or at their means."""
    errors: Literal["stay", "mean"] = "stay"
    """What latents do not write, in the pruned graph: as in the clean model, or at its mean."""
    sizes: list[Annotated[int, Field(ge=1)]] = field(default_factory=lambda: [10, 40, 160])
    """Edges kept in the pruned graph; all of them are tried besides."""
    random_sets: Annotated[int, Field(ge=1)] = 2
    """Random sets of as many edges between the same layers, for each size."""
    resamples: Annotated[int, Field(ge=1)] = 10_000
    """Of texts or edges for intervals, and relabellings of the texts for p."""
    seed: int = 0

    def __post_init__(self) -> None:
        if len(set(self.arms)) < len(self.arms):
            raise SparringError(f"edges: arms {self.arms}; name each coder once")
        if not self.sizes or self.sizes != sorted(set(self.sizes)):
            raise SparringError(f"edges: sizes {self.sizes}; name at least one, ascending, each once")
        for name in ("texts", "train_texts"):
            if getattr(self, name) % 4:
                raise SparringError(f"edges: {name} is {getattr(self, name)}; it must be a multiple of 4")
        parse_site(self.readout)

    def check_order(self, name: str, arms: Sequence[Arm]) -> None:
        """Raises SparringError unless each arm reads behind what the one before it writes, and the readout is last."""
        for one, other in itertools.pairwise(arms):
            if depth(one.write_site) >= depth(other.read_site):
                raise SparringError(
                    f"edges.{name}.arms: {other.name} reads {other.read_site}, which is not behind {one.write_site}, "
                    f"where {one.name} writes; name coders of several layers, in order of depth"
                )
        if depth(arms[-1].write_site) >= depth(self.readout):
            raise SparringError(
                f"edges.{name}.readout: {self.readout} is not behind {arms[-1].write_site}, where {arms[-1].name} "
                "writes; name a later site"
            )
