"""Windows, pools and the draw."""

import numpy as np
import pytest
from autointerp_data import planted

from sparring.autointerp.draw import draw_arm, stratified
from sparring.autointerp.examples import Protocol, draw_examples
from sparring.autointerp.plan import DrawPlan, ScorePlan
from sparring.autointerp.windows import Pools, cut_windows, fired_windows, split_pools
from sparring.errors import SparringError

PLAN = DrawPlan(latents=3, strata=1, positives=8, negatives=8)


def test_windows_keep_position_0_and_drop_padding() -> None:
    counted = np.ones((2, 64), dtype=bool)
    counted[:, 0] = False
    counted[1, 40:] = False
    windows = cut_windows(counted, np.array([5, 6]), 32)
    assert windows.sequence.tolist() == [0, 0, 1]
    assert windows.start.tolist() == [0, 32, 0]
    assert windows.document.tolist() == [5, 5, 6]


def test_a_window_longer_than_the_context_is_refused() -> None:
    with pytest.raises(SparringError, match="shorter window"):
        cut_windows(np.ones((1, 16), dtype=bool), np.zeros(1, dtype=int), 32)


def test_a_document_in_both_pools_is_refused() -> None:
    with pytest.raises(SparringError, match="document 3 is in the explainer pool and in the scorer pool"):
        Pools(frozenset({1, 3}), frozenset({3, 4}))


def test_pools_are_disjoint_and_adding_documents_moves_none() -> None:
    few, many = (split_pools(np.arange(n), share=0.5, seed=0) for n in (50, 90))
    assert few.explainer | few.scorer == set(range(50))
    assert few.explainer <= many.explainer and few.scorer <= many.scorer


def test_strata_each_give_their_share_without_repeats() -> None:
    rate = np.exp(np.random.default_rng(0).normal(size=100))
    chosen, strata = stratified(rate, draws=20, strata=5, rng=np.random.default_rng(1))
    assert len(set(chosen.tolist())) == 20
    assert np.bincount(strata).tolist() == [4] * 5
    means = [rate[chosen[strata == s]].mean() for s in range(5)]
    assert means == sorted(means)


def test_more_latents_than_are_eligible_is_one_line_naming_both() -> None:
    with pytest.raises(SparringError, match=r"draw\.latents is 9, but only 4 latents are eligible"):
        stratified(np.ones(4), draws=9, strata=1, rng=np.random.default_rng(0))


def test_every_latent_has_a_fate() -> None:
    cache, _ = planted()
    cache.fires[4] = np.arange(cache.tokens.max() + 1)  # everywhere
    cache.fires[5] = np.array([10**6])  # nowhere
    protocol = Protocol.of(cache, PLAN)
    drawn = draw_arm(cache, protocol.windows, protocol.pools, plan=PLAN, rng=np.random.default_rng(0))
    assert drawn["population"] == {"dead": 2, "too rare": 0, "dense": 1, "eligible": 4}
    assert set(drawn["fates"]) == {str(latent) for latent in drawn["latents"]}


def test_examples_are_of_the_scorer_pool_repeatable_and_truly_labelled() -> None:
    cache, _ = planted()
    protocol = Protocol.of(cache, PLAN)
    examples, again = draw_examples(protocol, 0), draw_examples(protocol, 0)
    assert (examples.positive == again.positive).all() and (examples.negative == again.negative).all()
    fired = fired_windows(cache, protocol.windows, 0).window
    assert np.isin(examples.positive, fired).all()
    assert not np.isin(examples.negative, fired).any()
    both = np.concatenate([examples.positive, examples.negative])
    assert len(set(both.tolist())) == len(both)
    assert set(protocol.windows.document[both].tolist()) <= protocol.pools.scorer
    words = protocol.tokens(examples.positive)
    assert (np.isin(words, cache.fires[0]) == examples.true).all()


def test_plans_name_the_value_and_the_mend() -> None:
    with pytest.raises(SparringError, match=r"draw\.upper is 0"):
        DrawPlan(upper=0.0)
    with pytest.raises(SparringError, match=r"draw\.strata is 9, over draw\.latents = 3"):
        DrawPlan(latents=3, strata=9)
    with pytest.raises(SparringError, match=r"score\.metrics is \['guess'\]"):
        ScorePlan(metrics=("guess",))
