"""Reasons are named down to the function, the key and the input."""

import copy

from sparring.differences import differences

BEFORE = {
    "action": {
        "rule": "score",
        "spec": {"script": "score.py", "code": "1", "lock": "2", "plan": {"layer": 2, "metrics": ("fuzz",)}},
        "wildcards": {"arm": "sae"},
        "inputs": {"draw": "a", "latents": "b"},
    },
    "code": {"script": "0", "sparring.score:score": "1", "sparring.score:old": "3"},
}


def test_equal_records_differ_in_nothing_whatever_json_made_of_them() -> None:
    after = copy.deepcopy(BEFORE)
    after["action"]["spec"]["plan"]["metrics"] = ["fuzz"]
    assert differences(BEFORE, after) == []


def test_every_kind_of_difference_is_named() -> None:
    after = copy.deepcopy(BEFORE)
    after["code"] = {"script": "0", "sparring.score:score": "2", "sparring.score:new": "4"}
    after["action"]["spec"] |= {"code": "5", "lock": "6", "plan": {"layer": 3, "metrics": ("fuzz",), "batch": 8}}
    after["action"]["inputs"] = {"draw": "a", "latents": "c"}
    assert differences(BEFORE, after) == [
        "code: sparring.score.new is new",
        "code: sparring.score.old is gone",
        "code: sparring.score.score changed",
        "environment: the lock file changed",
        "study: plan.batch: 'absent' -> 8",
        "study: plan.layer: 2 -> 3",
        "input: latents has other contents",
    ]
