"""The strict protocol's gates, each failing on a planted fault."""

import numpy as np
import pytest

from sparring.autointerp.draw import stratified
from sparring.autointerp.marks import false_marks, tell_auroc
from sparring.autointerp.windows import Pools, cut_windows, split_pools
from sparring.errors import SparringError


def test_a_document_in_both_pools_is_refused() -> None:
    with pytest.raises(SparringError, match="document 3 is in the explainer pool and in the scorer pool"):
        Pools(frozenset({1, 3}), frozenset({3, 4}))


def test_pools_share_no_document_and_lose_none() -> None:
    documents = np.arange(200)
    pools = split_pools(documents, share=0.5, seed=0)
    assert pools.explainer | pools.scorer == set(documents.tolist())
    assert not pools.explainer & pools.scorer
    assert 70 < len(pools.explainer) < 130


def test_more_documents_move_none_between_pools() -> None:
    few, many = (split_pools(np.arange(n), share=0.5, seed=0) for n in (50, 80))
    assert few.explainer == {document for document in many.explainer if document < 50}


def true_marks(rng: np.random.Generator, windows: int) -> np.ndarray:
    marks = rng.random((windows, 32)) < 0.06
    marks[np.arange(windows), rng.integers(0, 32, windows)] = True
    return marks


def test_false_marks_match_the_true_ones_and_touch_no_firing() -> None:
    rng = np.random.default_rng(0)
    true = true_marks(rng, 20)
    false, _ = false_marks(true, np.zeros((20, 32)))
    placed = false.any(axis=1)
    assert placed.all()
    assert not (false & true).any()
    assert sorted(false.sum(axis=1)) == sorted(true.sum(axis=1))


def test_matched_marks_tell_nothing_and_constant_marks_tell_all() -> None:
    rng = np.random.default_rng(1)
    true = [true_marks(rng, 20) for _ in range(15)]
    group = np.repeat(np.arange(15), 40)
    label = np.tile(np.repeat([True, False], 20), 15)
    matched = np.concatenate([np.concatenate([t, false_marks(t, np.zeros((20, 32)))[0]]) for t in true])
    tell = tell_auroc(matched, label, group)
    assert tell is not None and tell < 0.55
    end = np.zeros((20, 32), dtype=bool)
    end[:, -3:] = True  # as delphi marks its negatives: always the end
    constant = np.concatenate([np.concatenate([t, end]) for t in true])
    planted = tell_auroc(constant, label, group)
    assert planted is not None and planted > 0.8


def test_the_draw_is_even_over_strata_and_without_replacement() -> None:
    rate = np.exp(np.random.default_rng(2).normal(size=500))
    latents, strata = stratified(rate, draws=50, strata=5, rng=np.random.default_rng(0))
    assert len(set(latents.tolist())) == 50
    assert np.bincount(strata).tolist() == [10] * 5
    again, _ = stratified(rate, draws=50, strata=5, rng=np.random.default_rng(0))
    assert (latents == again).all()


def test_more_draws_than_latents_is_one_clear_error() -> None:
    with pytest.raises(SparringError, match="only 3 latents are eligible"):
        stratified(np.ones(3), draws=5, strata=1, rng=np.random.default_rng(0))


def test_windows_hold_at_most_one_masked_token() -> None:
    counted = np.ones((2, 64), dtype=bool)
    counted[:, 0] = False
    counted[1, 40:] = False
    windows = cut_windows(counted, np.array([7, 8]), 32)
    assert list(zip(windows.sequence.tolist(), windows.start.tolist(), strict=True)) == [(0, 0), (0, 32), (1, 0)]
