"""False marks: matched, never on a firing position, and the tell is caught where delphi's rule would leave one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sparring.autointerp.marks import false_marks, tell_auroc


def patterns(seed: int, n: int = 20, size: int = 32, rate: float = 0.05) -> np.ndarray:
    rng = np.random.default_rng(seed)
    marks = rng.random((n, size)) < rate
    marks[np.arange(n), rng.integers(size, size=n)] = True
    return marks


@given(st.integers(0, 200))
def test_false_marks_are_the_true_patterns_moved_to_other_windows(seed: int) -> None:
    true = patterns(seed)
    false, shift = false_marks(true, np.random.default_rng(seed).random(true.shape))
    assert not (true & false).any()
    if not shift.any():
        assert sorted(map(bytes, false)) == sorted(map(bytes, true))


def test_false_marks_lie_on_words_as_common_as_the_true_ones() -> None:
    true = np.eye(8, 32, dtype=bool)
    commonness = np.tile(np.arange(32) % 2, (8, 1)).astype(float)  # odd positions hold common words
    false, _ = false_marks(true, commonness)
    assert ((commonness * false).sum(axis=1) == (commonness * true).sum(axis=1)).all()


def test_a_latent_that_fires_everywhere_gets_no_false_marks() -> None:
    false, _ = false_marks(np.ones((3, 4), dtype=bool), np.zeros((3, 4)))
    assert not false.any()


def test_tell_is_half_for_matched_marks_and_catches_constant_ones() -> None:
    true = np.concatenate([patterns(i) for i in range(20)])
    group = np.repeat(np.arange(20), 20)
    matched = np.concatenate([false_marks(patterns(i), np.zeros((20, 32)))[0] for i in range(20)])
    constant = np.zeros_like(true)
    constant[:, -2:] = True  # as delphi marks every non-activating example: the same places
    label = np.repeat([True, False], len(true))
    both = np.concatenate([group, group])
    fair, unfair = (tell_auroc(np.vstack([true, wrong]), label, both) for wrong in (matched, constant))
    assert fair is not None and fair < 0.55
    assert unfair is not None and unfair > 0.9


def test_tell_says_nothing_of_one_group() -> None:
    assert tell_auroc(patterns(0), np.arange(20) < 10, np.zeros(20, dtype=int)) is None
