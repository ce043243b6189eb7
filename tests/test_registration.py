"""The plan is hashed with everything that could be chosen after the fact; a result knows whether it came first."""

import json
from dataclasses import replace

import pytest
from checkout import Checkout
from edits import HEADLINE, MINI

from sparring.registration import register, registered
from sparring.testplan import TestPlan

PLAN = TestPlan(hypotheses=("the second is better",))
DRAWS = {"sae": {"latents": [3, 5], "digest": "a"}, "transcoder": {"latents": [1, 2], "digest": "b"}}
ORDER = ("sae", "transcoder")
CHANGES = (
    {"hypotheses": ("the first is better",)},
    {"primary": "fuzz"},
    {"family": ("detection",)},
    {"seed": 1},
    {"resamples": 100},
    {"caliper": 0.5},
    {"sites_may_differ": True},
)


def test_whatever_could_be_chosen_afterwards_changes_the_digest() -> None:
    found = register(DRAWS, PLAN, order=ORDER)
    assert found["digest"] == register(DRAWS, PLAN, order=ORDER)["digest"]
    assert found["latents"]["sae"] == {"draw": "a", "drawn": [3, 5]}
    others = [register(DRAWS, replace(PLAN, **change), order=ORDER) for change in CHANGES]
    others.append(register(DRAWS, PLAN, order=ORDER[::-1]))  # the order is the sign of the difference
    others.append(register(DRAWS | {"sae": {"latents": [3, 6], "digest": "c"}}, PLAN, order=ORDER))
    assert len({found["digest"], *(other["digest"] for other in others)}) == 1 + len(others)


def test_scores_older_than_the_plan_are_not_pre_registered() -> None:
    plan = register(DRAWS, PLAN, order=ORDER)
    assert registered(plan, noted=1, scored=2)["before_scores"]
    assert not registered(plan, noted=2, scored=2)["before_scores"]
    assert registered(plan, noted=1, scored=2)["digest"] == plan["digest"]


@pytest.mark.e2e
def test_a_test_chosen_after_the_scores_is_called_so(copy: Checkout) -> None:
    before = json.loads(copy.result("headtohead_autointerp.json"))
    assert before["preregistration"]["before_scores"]
    assert "Pre-registered as" in copy.result("headtohead_autointerp.md").decode()
    ran = copy.run(HEADLINE, *MINI, "--config", "test={primary: fuzz}")
    assert ran.status == 0, ran.output
    assert ran.computed == {"preregister", "headtohead"}  # the scores stay
    after = json.loads(copy.result("headtohead_autointerp.json"))
    assert not after["preregistration"]["before_scores"]
    assert after["preregistration"]["digest"] != before["preregistration"]["digest"]
    assert "**Not pre-registered**" in copy.result("headtohead_autointerp.md").decode()
    ran = copy.run(HEADLINE, *MINI)  # the first plan is still the one that was there before
    assert ran.status == 0
    assert ran.recalled == {"preregister", "headtohead"}
    assert json.loads(copy.result("headtohead_autointerp.json")) == before
