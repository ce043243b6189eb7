"""The verdict of a head-to-head, from its own figures: anyone can take the JSON and decide again.

In this order: a failed gate makes the arms not comparable; an instrument that cannot tell a right explanation from a
wrong one decides nothing, whatever the difference; an interval that includes 0, or a test that does not agree with it,
leaves it undecided; else the higher arm wins. Only the primary metric decides; the other is held beside it.
"""

from dataclasses import dataclass

from sparring.limits import Result, instrument_limits
from sparring.words import interval, lowered

NOT_COMPARABLE = "not comparable"
LIMITED = "limited by the instrument"
UNDECIDED = "undecided"
ALPHA = 0.05


@dataclass(frozen=True)
class Verdict:
    """An arm's name, or one of the three words above; `reasons` are sentences, the deciding ones first."""

    verdict: str
    reasons: tuple[str, ...]


def decide(result: Result) -> Verdict:
    """The verdict on a head-to-head result (the JSON, with or without a verdict in it)."""
    primary = result["primary"]
    others = [_beside(result, metric) for metric in result["metrics"] if metric != primary]
    others += _protocol(result)
    failed = [f"The gate '{gate['name']}' failed: {gate['detail']}." for gate in result["gates"] if not gate["passed"]]
    if failed:
        return Verdict(NOT_COMPARABLE, tuple(failed))
    limits = instrument_limits(result, primary)
    measured = "not_measured" not in result["metrics"][primary]
    if limits:
        shown = [_difference(result, primary)] if measured else []
        return Verdict(LIMITED, (*limits, *shown, *others))
    winner = leader(result["metrics"][primary], result["order"])
    reasons = [_difference(result, primary), *_caution(result, primary, winner), *_reach(result, primary, winner)]
    return Verdict(winner or UNDECIDED, (*reasons, _instrument_holds(result, primary), *others))


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
    """The arm whose mean is higher beyond doubt, or None: all intervals exclude 0 and the permutation p is below 0.05.

    The intervals: percentile, BCa, the one corrected for few latents, and, where there are several, over coder seeds.

    The percentile interval alone calls a winner where there is none in over 5% of cases (docs/benchmarks/coverage.md).
    """
    low, high = metric["ci95"]
    return None if _doubts(metric) else order[1] if low > 0 else order[0] if high < 0 else None


def _doubts(metric: Result) -> list[str]:
    """What speaks against a difference that the percentile interval shows."""
    bca, doubts = metric["ci95_bca"], []
    if bca is not None and bca[0] <= 0 <= bca[1]:
        doubts.append(f"the BCa interval {interval(bca)} includes 0")
    few = metric["ci95_expanded"]
    if few[0] <= 0 <= few[1]:
        doubts.append(f"the interval corrected for few latents, {interval(few)}, includes 0")
    seeds = metric.get("coder_seeds")
    if seeds and seeds["ci95"][0] <= 0 <= seeds["ci95"][1]:
        doubts.append(f"over {seeds['n']} seeds of the coders the interval {interval(seeds['ci95'])} includes 0")
    if metric["p"] >= ALPHA:
        doubts.append(f"the permutation p is {_p(metric['p'])}")
    return doubts


def _difference(result: Result, metric: str) -> str:
    found, (first, second) = result["metrics"][metric], result["order"]
    means, n = found["means"], found["n"]
    return (
        f"{metric.capitalize()}: {second} {means[second]:.3f} against {first} {means[first]:.3f}, difference "
        f"{found['diff']:+.3f}, 95% interval {interval(found['ci95'])}, permutation p {_p(found['p'])}, "
        f"{n[second]} against {n[first]} latents."
    )


def _caution(result: Result, metric: str, winner: str | None) -> list[str]:
    if winner is not None:
        return []
    found = result["metrics"][metric]
    low, high = found["ci95"]
    what = "The interval includes 0" if low <= 0 <= high else f"Borderline: {' and '.join(_doubts(found))}"
    return [
        f"{what}; a difference of {found['mde']:.3f} would have been found with 80% power, a smaller one may exist."
    ]


def _reach(result: Result, metric: str, winner: str | None) -> list[str]:
    """Each arm against its own oracle: an arm whose latents are easier to score is not thereby better explained."""
    reach, (first, second) = result["instrument"]["normalised"][metric], result["order"]
    if reach[first] is None or reach[second] is None:
        return []
    said = (
        f"Of the way from its floor to its own ceiling {second} goes {reach[second]:.0%} and {first} {reach[first]:.0%}"
    )
    ahead = second if reach[second] > reach[first] else first
    return [f"{said}: in this the order is the other way round." if winner not in (None, ahead) else f"{said}."]


def _instrument_holds(result: Result, metric: str) -> str:
    check = result["instrument"]
    floor, ceiling = check["floor"][metric]["pooled"]["mean"], check["ceiling"][metric]["pooled"]["mean"]
    return (
        f"The instrument holds for {metric}: floor {floor:.3f}, ceiling {ceiling:.3f}, "
        f"reliability {check['reliability'][metric]['pooled']:.2f}."
    )


def _protocol(result: Result) -> list[str]:
    """What has to be known of a score by delphi's protocol."""
    if result.get("protocol", "strict") == "strict":
        return []
    shares = ", ".join(
        f"{share:.0%} for {name}"
        for name, share in result["instrument"]["shown_to_explainer"].items()
        if share is not None
    )
    return [
        "By the protocol of delphi, for comparison with published figures only: of the firing windows that were scored "
        f"the explainer had been shown {shares or 'an unknown share'}."
    ]


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


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
