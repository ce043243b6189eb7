"""Gates: may these two arms be compared at all? Each says what it found, passed or not."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sparring.autointerp.canary import changed
from sparring.canonical import digest
from sparring.perlatent import ArmScores, read_scores
from sparring.testplan import TestPlan


@dataclass(frozen=True)
class ArmInputs:
    """What one arm brings to the head-to-head.

    `scores`: its scores.parquet; `score_meta`: the score stage's meta; `coder`: kind, read_site, write_site, n_latents,
    digest; `recon`: the reconstruction result; `draw`: the draw that its scores were made from; `rows`:
    digest of the evaluation tokens that it was scored on; `firing`: its firing.parquet, for pairs matched by rate.
    """

    scores: Path
    score_meta: Mapping[str, Any]
    coder: Mapping[str, Any]
    recon: Mapping[str, Any]
    draw: Mapping[str, Any]
    rows: str
    firing: Path | None = None

    @cached_property
    def scored(self) -> ArmScores:
        """The figures of each latent, read once."""
        return read_scores(self.scores)


@dataclass(frozen=True)
class Gate:
    """One condition of a fair comparison and what was found, in words."""

    name: str
    passed: bool
    detail: str


def gates(arms: Mapping[str, ArmInputs], scores: Mapping[str, ArmScores], plan: TestPlan) -> list[dict[str, Any]]:
    """All gates in a fixed order, as JSON values {name, passed, detail}."""
    found = [_write_sites(arms, plan), _rows(arms), _draws(arms), _as_hashed(arms), _drawn_once(arms)]
    found += [_scored_as_drawn(arms, scores), _no_row_twice(scores), _one_scorer(arms)]
    found += [_same_canary(arms), *_stage_gates(arms)]
    return [asdict(gate) for gate in found]


def _write_sites(arms: Mapping[str, ArmInputs], plan: TestPlan) -> Gate:
    sites = {name: str(arm.coder["write_site"]) for name, arm in arms.items()}
    same = len(set(sites.values())) == 1
    said = ", ".join(f"{name} writes {site}" for name, site in sites.items())
    declared = " (declared in the study)" if plan.sites_may_differ and not same else ""
    return Gate("same write site", same or plan.sites_may_differ, said + declared)


def _rows(arms: Mapping[str, ArmInputs]) -> Gate:
    digests = {name: arm.rows for name, arm in arms.items()}
    return Gate("same evaluation rows", len(set(digests.values())) == 1, _short(digests))


def _draws(arms: Mapping[str, ArmInputs]) -> Gate:
    """Both lists were drawn by one plan from one split of the documents, and each arm's scores are of its own list."""
    drawn = {name: digest({"plan": arm.draw["plan"], "pools": arm.draw["pools"]}) for name, arm in arms.items()}
    scored = {name: arm.score_meta.get("draw_digest", arm.draw["digest"]) for name, arm in arms.items()}
    others = [name for name, arm in arms.items() if scored[name] != arm.draw["digest"]]
    said = f"drawn by: {_short(drawn)}" + (f"; scores of another list: {', '.join(others)}" if others else "")
    return Gate("same draw of latents", len(set(drawn.values())) == 1 and not others, said)


def _as_hashed(arms: Mapping[str, ArmInputs]) -> Gate:
    """The list of latents is the one whose digest was taken before any score existed (see sparring.autointerp.draw)."""
    changed = []
    for name, arm in arms.items():
        if digest({"latents": arm.draw["latents"], "plan": arm.draw["plan"]}) != arm.draw["digest"]:
            changed.append(name)
    said = f"the list of latents was changed after it was hashed: {', '.join(changed)}"
    return Gate("draw as hashed", not changed, said if changed else "the lists of latents have the digest of the draw")


def _drawn_once(arms: Mapping[str, ArmInputs]) -> Gate:
    repeated = {name: [i for i, n in Counter(arm.draw["latents"]).items() if n > 1] for name, arm in arms.items()}
    said = "; ".join(
        f"{name}: latent {_few(latents)} drawn more than once" for name, latents in repeated.items() if latents
    )
    return Gate("each latent drawn once", not said, said or "no latent stands in a draw twice")


def _scored_as_drawn(arms: Mapping[str, ArmInputs], scores: Mapping[str, ArmScores]) -> Gate:
    """No latent from outside the draw was scored, and none that was drawn as scoreable vanished without a row."""
    said = []
    for name, arm in arms.items():
        drawn = {int(i) for i in arm.draw["latents"]}
        fates = {int(i): fate for i, fate in arm.draw.get("fates", {}).items()}
        dropped = {int(i) for i in arm.score_meta.get("dropped", {})}  # by delphi, each with its reason
        wanted = {i for i in drawn if fates.get(i, "drawn") == "drawn"} - dropped
        seen = {
            int(i)
            for (_, explanation), table in scores[name].tables.items()
            if explanation == "real"
            for i in (*table.latents, *table.unmeasured)
        }
        if seen - drawn:
            said.append(f"{name}: {_few(sorted(seen - drawn))} scored but not drawn")
        if wanted - seen:
            said.append(f"{name}: {_few(sorted(wanted - seen))} drawn but without a row")
    return Gate("scored as drawn", not said, "; ".join(said) or "every drawn latent has its rows, and no other")


def _no_row_twice(scores: Mapping[str, ArmScores]) -> Gate:
    said = "; ".join(f"{name}: {arm.repeated_rows} rows" for name, arm in scores.items() if arm.repeated_rows)
    return Gate("no example counted twice", not said, said or "each latent and example stands once")


def _one_scorer(arms: Mapping[str, ArmInputs]) -> Gate:
    scorers = {name: dict(arm.score_meta["scorer"]) for name, arm in arms.items()}
    first, *others = scorers.values()
    return Gate(
        "same scorer",
        all(first == other for other in others),
        ", ".join(
            f"{name} by {scorer.get('name')} {str(scorer.get('weights', ''))[:12]}" for name, scorer in scorers.items()
        ),
    )


def _same_canary(arms: Mapping[str, ArmInputs]) -> Gate:
    """The scorer gave both jobs the same answers to the same questions: it was not swapped or changed between them."""
    asked = {name: arm.score_meta["canary"] for name, arm in arms.items() if "canary" in arm.score_meta}
    if len(asked) < len(arms):
        return Gate("same answers to the canary", False, f"asked of {', '.join(asked) or 'neither arm'} only")
    first, *others = asked.values()
    other = max(changed(first, one, tolerance=first["tolerance"]) for one in others)
    return Gate("same answers to the canary", other == 0, f"{other} of {len(first['scores'])} answers differ")


def _stage_gates(arms: Mapping[str, ArmInputs]) -> list[Gate]:
    """What the score stage asserted itself, such as disjoint documents: `gates` of its meta, name -> violations."""
    return [
        Gate(f"{name}: {gate}", int(violations) == 0, f"{int(violations)} violations")
        for name, arm in arms.items()
        for gate, violations in sorted(arm.score_meta.get("gates", {}).items())
    ]


def _short(digests: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {digest[:12]}" for name, digest in digests.items())


def _few(latents: list[int]) -> str:
    shown = ", ".join(map(str, latents[:5]))
    return shown if len(latents) <= 5 else f"{shown} and {len(latents) - 5} more"
