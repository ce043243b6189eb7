"""The verdict of a head-to-head, from its own figures: anyone can take the JSON and decide again.

In this order: a failed gate makes the arms not comparable; an instrument that cannot tell a right explanation from a
wrong one decides nothing, whatever the difference; an interval that includes 0 leaves it undecided; else the higher arm
wins. Only the primary metric decides; the other is held beside it in the reasons.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NOT_COMPARABLE = "not comparable"
LIMITED = "limited by the instrument"
UNDECIDED = "undecided"

MIN_RELIABILITY = 0.5
FLOOR = (0.45, 0.55)
MAX_TELL = 0.55
MIN_PARSE_RATE = 0.9

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """An arm's name, or one of the three words above; `reasons` are sentences, the deciding ones first."""

    verdict: str
    reasons: tuple[str, ...]


def decide(result: Result) -> Verdict:
    """The verdict on a head-to-head result (the JSON, with or without a verdict in it)."""
    primary = result["primary"]
    others = [_beside(result, metric) for metric in result["metrics"] if metric != primary]
    failed = [f"{gate['name']} failed: {gate['detail']}." for gate in result["gates"] if not gate["passed"]]
    if failed:
        return Verdict(NOT_COMPARABLE, tuple(failed))
    limits = instrument_limits(result, primary)
    measured = "not_measured" not in result["metrics"][primary]
    if limits:
        shown = [_difference(result, primary)] if measured else []
        return Verdict(LIMITED, (*limits, *shown, *others))
    winner = leader(result["metrics"][primary], result["order"])
    reasons = [_difference(result, primary), *_caution(result, primary, winner), _instrument_holds(result, primary)]
    return Verdict(winner or UNDECIDED, (*reasons, *others))


def sentence(result: Result) -> str:
    """The verdict of a finished result in one sentence, with the figure it rests on."""
    verdict, (first, second) = result["verdict"], result["order"]
    found = result["metrics"][result["primary"]]
    if verdict in (NOT_COMPARABLE, LIMITED):
        return f"No verdict, {verdict}: {lowered(result['reasons'][0])}"
    shown = f"{result['primary']} {found['diff_is']} = {found['diff']:+.3f}, 95% interval {interval(found['ci95'])}"
    if verdict == UNDECIDED:
        return f"Undecided: {shown}; a difference of {found['mde']:.3f} would have been found with 80% power."
    other = first if verdict == second else second
    return f"The latents of {verdict} are better explained than those of {other}: {shown}."


def leader(metric: Result, order: list[str]) -> str | None:
    """The arm whose mean is higher by an interval that excludes 0, or None."""
    low, high = metric["ci95"]
    return order[1] if low > 0 else order[0] if high < 0 else None


def instrument_limits(result: Result, metric: str) -> list[str]:
    """Why this metric's instrument is too weak or biased to decide, one sentence each; empty if it holds."""
    measured, check = result["metrics"][metric], result["instrument"]
    if "not_measured" in measured:
        return [f"{metric.capitalize()} was not measured: {measured['not_measured']}."]
    limits = [*_weak(metric, measured, check), *_floor(metric, check), *_unreadable(metric, check)]
    return limits + (_tell(check) if metric == "fuzz" else [])  # only fuzz examples carry marks


def _weak(metric: str, measured: Result, check: Result) -> list[str]:
    limits = []
    reliable = check["reliability"][metric]["pooled"]
    if reliable is None or reliable < MIN_RELIABILITY:
        limits.append(
            f"The {metric} scores of latents are mostly sampling noise: reliability {_number(reliable)}, "
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
        f"Shuffled explanations score {floor['mean']:.3f} in {metric} for {name}, outside {FLOOR[0]} to {FLOOR[1]}: "
        "examples can be told apart without an explanation."
        for name, floor in check["floor"][metric].items()
        if name != "pooled" and floor is not None and not FLOOR[0] <= floor["mean"] <= FLOOR[1]
    ]


def _unreadable(metric: str, check: Result) -> list[str]:
    return [
        f"Only {rate:.0%} of the {metric} answers for {name} could be read, at least {MIN_PARSE_RATE:.0%} are needed."
        for name, rate in check["parse_rate"][metric].items()
        if rate is not None and rate < MIN_PARSE_RATE
    ]


def _tell(check: Result) -> list[str]:
    return [
        f"A rule that sees only where the marks stand tells fuzz examples apart for {name}: AUROC {tell:.3f}, "
        f"below {MAX_TELL} is needed."
        for name, tell in check["tell_auroc"].items()
        if tell is not None and tell >= MAX_TELL
    ]


def _difference(result: Result, metric: str) -> str:
    found, (first, second) = result["metrics"][metric], result["order"]
    means, n = found["means"], found["n"]
    return (
        f"{metric.capitalize()}: {second} {means[second]:.3f} against {first} {means[first]:.3f}, difference "
        f"{found['diff']:+.3f}, 95% interval {interval(found['ci95'])}, permutation p {_p(found['p'])}, "
        f"{n[second]} against {n[first]} latents."
    )


def _caution(result: Result, metric: str, winner: str | None) -> list[str]:
    found = result["metrics"][metric]
    if winner is None:
        return [
            f"The interval includes 0; a difference of {found['mde']:.3f} would have been found with 80% power, "
            "a smaller one may exist."
        ]
    bca, doubts = found["ci95_bca"], []
    if bca is not None and bca[0] <= 0 <= bca[1]:
        doubts.append(f"the BCa interval {interval(bca)} includes 0")
    if found["p"] >= 0.05:
        doubts.append(f"the permutation p is {_p(found['p'])}")
    return [f"Borderline: {' and '.join(doubts)}."] if doubts else []


def _instrument_holds(result: Result, metric: str) -> str:
    check = result["instrument"]
    floor, ceiling = check["floor"][metric]["pooled"]["mean"], check["ceiling"][metric]["pooled"]["mean"]
    return (
        f"The instrument holds for {metric}: floor {floor:.3f}, ceiling {ceiling:.3f}, "
        f"reliability {check['reliability'][metric]['pooled']:.2f}."
    )


def _beside(result: Result, metric: str) -> str:
    """How a metric that does not decide stands to the primary one."""
    primary, found = result["metrics"][result["primary"]], result["metrics"][metric]
    limits = instrument_limits(result, metric)
    if "not_measured" in found:
        return limits[0]
    said = _difference(result, metric)
    if limits:
        return f"{said} It confirms nothing: {lowered(limits[0])}"
    if "not_measured" in primary:
        return said
    ours, theirs = leader(primary, result["order"]), leader(found, result["order"])
    if ours == theirs:
        return f"{said} It agrees with {result['primary']}."
    if ours is None or theirs is None:
        alone = metric if ours is None else result["primary"]
        return f"{said} Only {alone} separates the arms."
    return f"{said} It contradicts {result['primary']}."


def interval(ci: list[float]) -> str:
    """An interval as it is printed everywhere."""
    return f"[{ci[0]:+.3f}, {ci[1]:+.3f}]"


def lowered(text: str) -> str:
    """`text` to go on within a sentence."""
    return text[:1].lower() + text[1:]


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
