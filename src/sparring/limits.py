"""When an instrument decides nothing: the thresholds, and a sentence for each one missed."""

from collections.abc import Mapping
from typing import Any

from sparring.words import interval

MIN_RELIABILITY = 0.5
FLOOR = (0.45, 0.55)
MAX_TELL = 0.55
MIN_PARSE_RATE = 0.9
MIN_CANARY = 0.8

Result = Mapping[str, Any]


def instrument_limits(result: Result, metric: str) -> list[str]:
    """Why this metric's instrument is too weak or biased to decide, one sentence each; empty if it holds."""
    measured, check = result["metrics"][metric], result["instrument"]
    if "not_measured" in measured:
        return [f"{metric.capitalize()} was not measured: {measured['not_measured']}."]
    limits = [*_weak(metric, measured, check), *_floor(metric, check), *_unreadable(metric, check), *_canary(check)]
    return limits + (_tell(check) if metric == "fuzz" else [])  # only fuzz examples carry marks


def _weak(metric: str, measured: Result, check: Result) -> list[str]:
    limits = []
    reliable = check["reliability"][metric]["pooled"]
    if reliable is None or reliable < MIN_RELIABILITY:
        found = "unknown" if reliable is None else f"{reliable:.2f}"
        limits.append(
            f"The {metric} scores of latents are mostly sampling noise: reliability {found}, "
            f"at least {MIN_RELIABILITY} is needed."
        )
    floor, ceiling, margin = (check[figure][metric]["pooled"] for figure in ("floor", "ceiling", "margin"))
    if floor is None or ceiling is None or margin is None:
        return [
            *limits,
            f"The {metric} scores have no floor or no ceiling: nothing says what the instrument can tell apart.",
        ]
    room = ceiling["mean"] - floor["mean"]
    if room < measured["mde"]:
        limits.append(
            f"The {metric} instrument has less room between floor and ceiling ({room:.3f}) than the smallest "
            f"difference it could find ({measured['mde']:.3f})."
        )
    if margin["ci95"][0] <= 0:
        limits.append(
            f"Oracle explanations are not scored above shuffled ones in {metric}: "
            f"{margin['mean']:+.3f} {interval(margin['ci95'])} over {margin['n']} latents."
        )
    lifts = {name: lift for name, lift in check["lift"][metric].items() if name != "pooled" and lift is not None}
    if not any(lift["ci95"][0] > 0 for lift in lifts.values()):
        limits.append(
            f"Neither arm's explanations are scored above shuffled ones in {metric}: they explain nothing here."
        )
    return limits


def _floor(metric: str, check: Result) -> list[str]:
    return [
        f"{kind} {floor['mean']:.3f} in {metric} for {name}, outside {FLOOR[0]} to {FLOOR[1]}: "
        "examples can be told apart without an explanation."
        for figure, kind in (("floor", "Shuffled explanations score"), ("empty", "No explanation at all scores"))
        for name, floor in check[figure][metric].items()
        if name != "pooled" and floor is not None and not _near_chance(floor)
    ]


def _near_chance(floor: Result) -> bool:
    """Whether the mean lies in the band, or so few latents were asked about that its interval includes 0.5."""
    low, high = floor["ci95"]
    return bool(FLOOR[0] <= floor["mean"] <= FLOOR[1] or low <= 0.5 <= high)


def _unreadable(metric: str, check: Result) -> list[str]:
    return [
        f"Only {rate:.0%} of the {metric} answers for {name} could be read, at least {MIN_PARSE_RATE:.0%} are needed."
        for name, rate in check["parse_rate"][metric].items()
        if rate is not None and rate < MIN_PARSE_RATE
    ]


def _canary(check: Result) -> list[str]:
    return [
        f"The scorer fails the canary for {name}: AUROC {'unknown' if area is None else f'{area:.2f}'} on plain "
        f"questions of known answer, at least {MIN_CANARY} is needed."
        for name, area in check["canary"].items()
        if area is None or area < MIN_CANARY
    ]


def _tell(check: Result) -> list[str]:
    return [
        f"A rule that sees only where the marks stand tells fuzz examples apart for {name}: AUROC {tell:.3f}, "
        f"below {MAX_TELL} is needed."
        for name, tell in check["tell_auroc"].items()
        if tell is not None and tell >= MAX_TELL
    ]
