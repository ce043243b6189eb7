"""Whatever hits a run, the same command afterwards gives what a clean run gives; without retraction it does not."""

from pathlib import Path

import pytest
from checkout import Checkout
from faults import counts, run_trials

pytestmark = pytest.mark.e2e


# Ten trials a worker; edits that take long to recompute are for the runner's sixty.
@pytest.mark.parametrize(("seed", "weights"), [(1, (0, 1, 9)), (2, (0, 0, 1))])
def test_no_fault_leaves_a_stale_mixed_or_lost_headline(
    mini: Checkout, tmp_path: Path, seed: int, weights: tuple[int, int, int]
) -> None:
    ends = run_trials(mini, tmp_path, trials=10, seed=seed, weights=weights)
    ended = counts(ends)
    assert ended.pop("run failed")  # faults that hit nothing would show nothing
    assert ended == {"good": 10, "stale": 0, "mixed": 0, "lost": 0}


def test_without_retraction_a_stale_headline_is_left(mini: Checkout, tmp_path: Path) -> None:
    ends = run_trials(mini, tmp_path, trials=1, seed=0, weights=(0, 1, 0), kinds=["a job raises"], retraction=False)
    assert counts(ends)["stale"]
