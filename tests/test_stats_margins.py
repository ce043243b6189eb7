"""Class margins resampled together: known shares, a slow twin, and intervals that hold what they should."""

import numpy as np
import pytest

from sparring.stats.margins import Margin, margins, share, sides


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def logits(rng, positive: np.ndarray, margin: float) -> np.ndarray:
    return rng.normal(size=positive.size) + margin * positive


def test_known_shares(rng) -> None:
    positive = np.arange(60) % 2 == 0
    whole, empty = logits(rng, positive, 3.0), logits(rng, positive, 1.0)
    at = margins(
        {"whole": whole, "empty": empty, "half": (whole + empty) / 2, "shifted": whole + 7},
        positive,
        resamples=300,
        seed=0,
    )
    for name, value in (("whole", 1.0), ("empty", 0.0), ("half", 0.5), ("shifted", 1.0)):
        found = share(at[name], at["empty"], at["whole"])
        assert found.estimate == pytest.approx(value)
        # Paired: these shares are the same in every resample, however much the margins vary.
        assert found.interval() == pytest.approx((value, value))


def test_the_same_as_drawing_texts_one_by_one(rng) -> None:
    positive = np.array([True] * 7 + [False] * 5)
    a, b = logits(rng, positive, 2.0), logits(rng, positive, 0.0)
    at = margins({"a": a, "b": b}, positive, resamples=50, seed=4)
    draws = np.random.default_rng(4)
    drawn = [np.repeat(np.arange(7), counts) for counts in draws.multinomial(7, np.full(7, 1 / 7), size=50)]
    other = [7 + np.repeat(np.arange(5), counts) for counts in draws.multinomial(5, np.full(5, 1 / 5), size=50)]
    for name, values in (("a", a), ("b", b)):
        assert at[name].estimate == pytest.approx(values[:7].mean() - values[7:].mean())
        slow = [values[p].mean() - values[n].mean() for p, n in zip(drawn, other, strict=True)]
        assert at[name].drawn == pytest.approx(np.array(slow))


def test_the_two_sides_are_means_of_their_own_texts_and_their_difference_is_the_margin(rng) -> None:
    positive = np.arange(30) % 3 == 0
    values = {"a": logits(rng, positive, 2.0), "b": positive * 4.0}
    at = margins(values, positive, resamples=40, seed=1)
    for name, (mine, others) in sides(values, positive, resamples=40, seed=1).items():
        assert mine.estimate == pytest.approx(values[name][positive].mean())
        assert others.estimate == pytest.approx(values[name][~positive].mean())
        assert np.array_equal(mine.drawn - others.drawn, at[name].drawn)
    mine, others = sides(values, positive, resamples=40, seed=1)["b"]
    assert mine.interval() == pytest.approx((4, 4)) and others.interval() == (0, 0)


def test_the_order_of_texts_does_not_matter_to_the_estimate(rng) -> None:
    positive = rng.random(40) < 0.5
    values, order = logits(rng, positive, 1.0), rng.permutation(40)
    one = margins({"a": values}, positive, resamples=10, seed=0)["a"]
    two = margins({"a": values[order]}, positive[order], resamples=10, seed=0)["a"]
    assert one.estimate == pytest.approx(two.estimate)


def test_the_interval_of_a_margin_covers_it() -> None:
    positive = np.arange(40) % 2 == 0
    hits = 0
    for seed in range(200):
        values = logits(np.random.default_rng(seed), positive, 1.0)
        low, high = margins({"a": values}, positive, resamples=300, seed=seed)["a"].interval()
        hits += low <= 1.0 <= high
    assert 0.87 < hits / 200 < 0.99


def test_an_average_has_the_spread_of_its_members(rng) -> None:
    same = [Margin(value, np.full(2000, value)) for value in (0.0, 1.0, 2.0, 3.0)]
    found = Margin.average(same, rng)
    assert found.estimate == 1.5
    assert found.drawn.mean() == pytest.approx(1.5, abs=0.05)
    assert found.drawn.std() == pytest.approx(np.std([0, 1, 2, 3]) / 2, rel=0.1)
    assert np.array_equal(Margin.average([same[1]], rng).drawn, same[1].drawn)


def test_a_side_without_texts_is_refused() -> None:
    with pytest.raises(ValueError, match="texts of the class and others"):
        margins({"a": np.ones(3)}, np.array([True] * 3), resamples=10, seed=0)
