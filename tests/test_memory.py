"""The memory preflight, on the published case: a 7B scorer does not fit beside the resident subject on a 24 GB card."""

from dataclasses import replace

import pytest

from sparring.memory.plan import Loaded, MemoryPlan
from sparring.memory.preflight import preflight

GIB = 2.0**30
QWEN = Loaded(
    name="Qwen2.5-7B-Instruct", parameters=7_615_616_512, layers=28, kv_heads=4, head_dim=128, positions=26_000
)
GEMMA = Loaded(name="gemma-2-2b", parameters=2_614_341_888)
L4 = MemoryPlan(card="L4", card_gib=22.03, load=QWEN, resident=[GEMMA])


def test_weights_and_cache_are_counted() -> None:
    assert QWEN.weights / GIB == pytest.approx(14.19, abs=0.01)  # published: 14.3 GiB of weights
    assert QWEN.cache == 2 * 28 * 4 * 128 * 26_000 * 2
    assert replace(QWEN, precision="int4").weights == QWEN.weights / 4


def test_published_case_is_refused_beside_the_subject_and_taken_alone() -> None:
    found = preflight(L4)
    assert found["needed_gib"] == pytest.approx(16.6, abs=0.1)
    assert found["free_gib"] == pytest.approx(16.05, abs=0.15)
    assert not found["fits"]
    assert found["would_fit"][0] == "Qwen2.5-7B-Instruct alone on the L4, in a process of its own"
    assert any("in 4 bits" in one for one in found["would_fit"])
    alone = preflight(replace(L4, resident=[]))
    assert alone["fits"]
    assert alone["would_fit"] == []


def test_what_would_fit_does_fit() -> None:
    fewer = next(one for one in preflight(L4)["would_fit"] if "positions" in one)
    positions = int(fewer.split()[2].replace(",", ""))
    assert preflight(replace(L4, load=replace(QWEN, positions=positions)))["fits"]
    assert not preflight(replace(L4, load=replace(QWEN, positions=positions + 100)))["fits"]
