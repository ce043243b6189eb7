"""The plan of a comparison, written down and hashed before a score exists.

What is going to be compared, on which latents, by which test: whoever reads a result can see that none of it was chosen
after the scores were seen. The store notes when it first saw a plan; a result whose scores are older than its plan says
that it was not pre-registered. (A store that is thrown away takes its notes along: this binds the honest.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sparring.canonical import digest
from sparring.testplan import TestPlan

FORMAT = "sparring.preregistration/1"


def register(draws: Mapping[str, Mapping[str, Any]], plan: TestPlan, *, order: Sequence[str]) -> dict[str, Any]:
    """The plan as JSON values, with its digest: hypotheses, test, family, seed, and each arm's drawn latents.

    `order`: the two arms compared, the difference being second minus first; `draws` holds further seeds' coders, too.
    """
    plain = asdict(plan)
    stated = {
        "hypotheses": list(plain.pop("hypotheses")),
        "order": list(order),
        "difference": "second minus first",
        "test": {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()},
        "latents": {arm: {"draw": draw["digest"], "drawn": list(draw["latents"])} for arm, draw in draws.items()},
    }
    return {"format": FORMAT, **stated, "digest": digest(stated)}


def registered(plan: Mapping[str, Any], *, noted: int, scored: int) -> dict[str, Any]:
    """What a result says of its registration: the plan's digest, and whether it was there before any of the scores.

    noted, scored: when the store first saw the plan, and the first of the scores, in nanoseconds.
    """
    return {"digest": plan["digest"], "hypotheses": list(plan["hypotheses"]), "before_scores": noted < scored}
