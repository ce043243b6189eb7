"""How long a job will take, and what that rests on: the same job measured before, a table of speeds, or nothing."""

import json
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sparring.cards.cards import card, card_of
from sparring.cost.work import Work, work
from sparring.errors import SparringError
from sparring.lineage import Lineage, Remembered
from sparring.memory.jobs import CARD_RULES, subject_of

CPU = "cpu"
_FARTHEST = 1000.0  # times the work of what was measured, beyond which scaling says nothing


@dataclass(frozen=True)
class Known:
    """One job that was measured: its rule, its work as one number, seconds, the kind of machine, who says so."""

    rule: str
    subject: str | None
    size: float | None
    seconds: float
    kind: str
    said: str


@dataclass(frozen=True)
class Prediction:
    """Seconds, or None where nothing is known, and what they rest on, in words."""

    seconds: float | None
    rests_on: str


def kind_of(machine: str) -> str:
    """The kind of a machine as a record names it: its card's name, or `cpu`."""
    found = card_of(machine)
    return CPU if found is None else found.name


def known_from(remembered: Sequence[Remembered]) -> list[Known]:
    """What a store's memo has measured."""
    return [_known(one) for one in remembered]


def _known(one: Remembered) -> Known:
    subject = subject_of(one.lineage)
    try:
        made = work(one.lineage)
    except (KeyError, TypeError, ValueError, SparringError):
        made = None  # an older version's spec, which had other keys
    size = None if made is None else made.size
    name = None if subject is None else subject.name
    return Known(one.lineage.rule, name, size, one.seconds, kind_of(one.machine), f"in the store ({one.machine})")


@cache
def shipped() -> tuple[Known, ...]:
    """What was measured once on the study of the packaged model: the table that comes with the package."""
    return tuple(Known(**one, kind=CPU, said="in the package's table") for one in _read("measured.json")["jobs"])


def legend() -> str:
    """What "the package's table" and the speeds are, in a sentence each."""
    said, speeds = _read("measured.json"), _read("speeds.json")
    return (
        f"The package's table: measured on {said['machine']}, {said['date']}, {said['study']}. "
        f"Speeds: {speeds['share']['flops']:.0%} of a card's peak and {speeds['share']['bandwidth']:.0%} of its "
        f"bandwidth, {speeds['storage'] / 1e6:.0f} MB/s from disk, {speeds['start']:.0f} s to start, "
        f"{speeds['server']:.0f} s until a scorer answers: {speeds['source']}."
    )


def predict(lineage: Lineage, kind: str, known: Sequence[Known]) -> Prediction:
    """The seconds of a job on a machine of this kind. known: of the store; what is shipped counts after it.

    In this order: the same rule measured on this kind of machine, scaled by the work where that is known; the work and
    the card's speed (and, of probes, the rule measured without a card: they are fitted by scikit-learn); nothing.
    """
    said = None
    for one in _bases(lineage, work(lineage), kind, known):
        if one is not None and one.seconds is not None:
            return one
        said = said or one
    return said or Prediction(None, "nothing: no record of such a job on such a machine")


def _bases(lineage: Lineage, made: Work | None, kind: str, known: Sequence[Known]) -> Iterator[Prediction | None]:
    """What a prediction can rest on, the best first."""
    yield _measured(lineage, made, [one for one in known if one.kind == kind])
    on_cpu = [*(one for one in known if one.kind == CPU), *shipped()]
    if kind == CPU:
        yield _measured(lineage, made, on_cpu)
        if made is not None and not made.flops:
            yield _by_speed(made, kind)
    elif made is not None and not made.host:
        yield _by_speed(made, kind)
    elif made is not None:
        fitted, rest = _measured(lineage, made, on_cpu), _by_speed(made, kind)
        if fitted is not None and fitted.seconds is not None and rest.seconds is not None:
            words = f"probes: {fitted.rests_on}; the rest: {rest.rests_on}"
            yield Prediction(fitted.seconds + rest.seconds, words)
        yield fitted


def _measured(lineage: Lineage, made: Work | None, known: Sequence[Known]) -> Prediction | None:
    same = [one for one in known if one.rule == lineage.rule]
    sized = [one for one in same if one.size]
    if made is not None and made.size and sized:
        nearest = min(sized, key=lambda one: abs(math.log(made.size / float(one.size or 1))))
        alike = [one for one in sized if one.size == nearest.size and one.said == nearest.said]
        seconds, times = statistics.median(one.seconds for one in alike), made.size / float(nearest.size or 1)
        if times > _FARTHEST:
            return Prediction(None, f"nothing: {seconds:.3g} s {nearest.said} was for 1/{times:.0f} of its work")
        scaled = "" if abs(times - 1) < 0.01 else f", x {times:.3g} by its work"
        return Prediction(seconds * times, f"measured: {seconds:.3g} s {nearest.said}{scaled}")
    subject = subject_of(lineage)
    name = None if subject is None else subject.name
    if made is None:
        same = [one for one in same if lineage.rule not in CARD_RULES or (name is not None and one.subject == name)]
        if same:
            seconds = statistics.median(one.seconds for one in same)
            return Prediction(seconds, f"measured: {seconds:.3g} s {same[-1].said}, taken as it is")
    return None


def _by_speed(made: Work, kind: str) -> Prediction:
    speeds, times = _read("speeds.json"), {}
    if kind != CPU:
        on = card(kind)
        peak = on.flops.get(made.precision)
        if peak is None:
            return Prediction(None, f"nothing: {on.name} has no peak for {made.precision}")
        times["products"] = made.flops / (speeds["share"]["flops"] * peak)
        times["memory"] = made.passed / (speeds["share"]["bandwidth"] * on.bandwidth)
    times |= {
        "disk": made.stored / speeds["storage"],
        "start": speeds["start"] + (speeds["server"] if made.server else 0.0),
    }
    said = ", ".join(f"{name} {seconds:.0f}" for name, seconds in times.items() if seconds >= 0.5)
    return Prediction(sum(times.values()), f"assumed speed: {said} s")


@cache
def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(__file__).with_name(name).read_bytes())
    return found
