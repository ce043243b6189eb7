"""The arms that controls add to a study: each coder trained here once more, under each control."""

from collections.abc import Mapping
from dataclasses import dataclass

from sparring.controls.plan import ControlPlan
from sparring.study_keys import CoderConfig


@dataclass(frozen=True)
class Twins:
    """`of`: {twin: (coder, control)}; `refused`: {name: why there is no such twin, in one line}."""

    of: Mapping[str, tuple[str, str]]
    refused: Mapping[str, str]


def twins(coders: Mapping[str, CoderConfig], controls: Mapping[str, ControlPlan]) -> Twins:
    """The twins `{coder}_{control}` of the study's coders, by its controls."""
    of, refused = {}, {}
    for control, plan in controls.items():
        for name, coder in coders.items():
            twin = f"{name}_{control}"
            if why := _why_not(name, coder, plan):
                refused[twin] = f"{twin}: {why}"
            else:
                of[twin] = (name, control)
    return Twins(of, refused)


def _why_not(name: str, coder: CoderConfig, plan: ControlPlan) -> str | None:
    if coder.made_by == "elsewhere":
        return (
            f"{name} was trained elsewhere, so no twin of it can be trained by its recipe; "
            "name a coder of this study's recipe at the same sites, and take that one's twin"
        )
    if plan.decoder is not None and coder.made_by == "sae_lens":
        return (
            f"{name} ({coder.architecture}) is trained by sae_lens, which trains every decoder; "
            "a decoder is frozen at random for architecture topk only"
        )
    return None
